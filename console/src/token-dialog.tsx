import { type FormEvent, useEffect, useRef, useState } from 'react'
import { token } from './graphql.ts'

/** Asks for a token when the server wants one. It stays in this tab's session. */
export function TokenDialog({ refused, onToken }: { refused: boolean; onToken: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [text, setText] = useState('')

  useEffect(() => {
    dialog.current?.showModal()
  }, [])

  const submit = (event: FormEvent) => {
    event.preventDefault()
    token.set(text.trim())
    setText('')
    onToken()
  }

  return (
    <dialog ref={dialog} className="token" onCancel={(event) => event.preventDefault()}>
      <form onSubmit={submit}>
        <h2>A token is needed</h2>
        <p>This server shows its data to those who have a token with the scope “read”. It is kept in this tab until you close it.</p>
        {refused && (
          <p className="card-error" role="alert">
            The server does not accept that token.
          </p>
        )}
        <label className="token-field">
          Token
          <input type="password" autoComplete="off" required value={text} onChange={(event) => setText(event.target.value)} />
        </label>
        <button type="submit">Show the data</button>
      </form>
    </dialog>
  )
}
