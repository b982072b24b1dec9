/** How the archive on S3 is reached. Plain data. Secrets are in it: never logged. */
export interface S3Settings {
  /** `null`: Amazon's own for the region. */
  readonly endpoint: string | null
  readonly region: string
  readonly s3Bucket: string
  /** Before every key; '' or ending in '/'. */
  readonly prefix: string
  /** `https://endpoint/bucket/key` instead of `https://bucket.endpoint/key`. */
  readonly pathStyle: boolean
  /** `null`: from the environment, files or the machine's role, as Amazon's tools find them. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | null
}
