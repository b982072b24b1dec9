/** A self-signed certificate for this machine, made by the JDK's own tool. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { capture, SetupError } from '../bootstrap.mjs'

const PASSWORD = 'tidemark-keystore'

/** Makes `run/tls.p12` once. Resolves with `{ path, password, pem }`; the certificate is its own authority. */
export async function certificate(java, run) {
  const keytool = join(dirname(java), 'keytool')
  const path = join(run, 'tls.p12')
  const store = ['-keystore', path, '-storetype', 'PKCS12', '-storepass', PASSWORD, '-alias', 'tidemark']
  const call = async (...args) => {
    const { code, output } = await capture(existsSync(keytool) ? keytool : 'keytool', args, run)
    if (code !== 0) throw new SetupError(`keytool could not make a certificate:\n${output}`)
  }
  if (!existsSync(path)) {
    const subject = ['-dname', 'CN=localhost', '-ext', `SAN=ip:127.0.0.1,dns:localhost`, '-ext', 'BC=ca:true']
    await call('-genkeypair', '-keyalg', 'EC', '-groupname', 'secp256r1', '-validity', '3650', ...subject, ...store)
  }
  const pem = join(run, 'tls.pem')
  if (!existsSync(pem)) await call('-exportcert', '-rfc', '-file', pem, ...store)
  return { path, password: PASSWORD, pem: readFileSync(pem, 'utf8') }
}
