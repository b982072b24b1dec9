import { type KeyboardEvent, useEffect, useId, useRef, useState } from 'react'
import { ask } from './graphql.ts'

interface Suggestion {
  readonly name: string
  readonly type: string
  readonly help: string
}

const document = 'query Complete($search: String!) { metrics(search: $search, first: 12) { nodes { name type help } } }'
const PAUSE_MS = 120

/** A line for PromQL that completes the names of metrics. Enter runs it. */
export function PromqlInput({
  value,
  onChange,
  onRun,
}: {
  value: string
  onChange: (text: string) => void
  onRun: (text: string) => void
}) {
  const id = useId()
  const input = useRef<HTMLInputElement>(null)
  const [word, setWord] = useState('')
  const [active, setActive] = useState(-1)
  const suggestions = useSuggestions(word)
  const open = word !== '' && suggestions.length > 0

  const close = () => {
    setWord('')
    setActive(-1)
  }

  const look = () => {
    const element = input.current
    if (!element || element.selectionStart !== element.selectionEnd) return close()
    setWord(wordBefore(element.value, element.selectionStart ?? 0))
    setActive(-1)
  }

  const take = (name: string) => {
    const end = input.current?.selectionStart ?? value.length
    const start = end - wordBefore(value, end).length
    onChange(value.slice(0, start) + name + value.slice(end))
    close()
    requestAnimationFrame(() => {
      input.current?.focus()
      input.current?.setSelectionRange(start + name.length, start + name.length)
    })
  }

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape') return close()
    if (!open) return
    const count = suggestions.length
    if (event.key === 'ArrowDown') setActive((active + 1) % count)
    else if (event.key === 'ArrowUp') setActive((active <= 0 ? count : active) - 1)
    else if ((event.key === 'Enter' || event.key === 'Tab') && active >= 0) take(suggestions[active]?.name ?? '')
    else {
      if (event.key === 'Enter') {
        close()
        onRun(value.trim())
        event.preventDefault()
      }
      return
    }
    event.preventDefault()
  }

  return (
    <div className="promql">
      <label className="unseen" htmlFor={`${id}-input`}>
        PromQL expression
      </label>
      <input
        id={`${id}-input`}
        ref={input}
        className="mono"
        role="combobox"
        aria-autocomplete="list"
        aria-expanded={open}
        aria-controls={`${id}-list`}
        aria-activedescendant={active >= 0 ? `${id}-${active}` : undefined}
        placeholder="A PromQL expression, as node_load1"
        autoComplete="off"
        autoCapitalize="off"
        spellCheck={false}
        value={value}
        onChange={(event) => {
          onChange(event.target.value)
          look()
        }}
        onBlur={close}
        onKeyDown={onKeyDown}
      />
      {open && (
        <div className="suggestions" role="listbox" id={`${id}-list`} aria-label="Metrics">
          {suggestions.map(({ name, type, help }, i) => (
            // The input keeps the focus, as a combobox wants it; keys are handled there.
            <div
              key={name}
              id={`${id}-${i}`}
              role="option"
              tabIndex={-1}
              aria-selected={i === active}
              onMouseDown={(event) => {
                event.preventDefault()
                take(name)
              }}
            >
              <span className="mono">{name}</span>
              <small>{[type === 'UNKNOWN' ? '' : type.toLowerCase(), help].filter(Boolean).join(' · ')}</small>
            </div>
          ))}
        </div>
      )}
    </div>
  )
}

function useSuggestions(word: string): readonly Suggestion[] {
  const [suggestions, setSuggestions] = useState<readonly Suggestion[]>([])
  useEffect(() => {
    if (word.length < 2) {
      setSuggestions([])
      return
    }
    const controller = new AbortController()
    const timer = setTimeout(async () => {
      try {
        const { data } = await ask<{ metrics: { nodes: Suggestion[] } | null }>(document, { search: word }, controller.signal)
        setSuggestions((data?.metrics?.nodes ?? []).filter(({ name }) => name !== word))
      } catch {
        // Without suggestions one can still write; that the server is away is told elsewhere.
      }
    }, PAUSE_MS)
    return () => {
      clearTimeout(timer)
      controller.abort()
    }
  }, [word])
  return suggestions
}

/** The name that ends at the caret, unless the caret stands within a string or a duration. */
function wordBefore(text: string, caret: number): string {
  const before = text.slice(0, caret)
  if ((before.match(/"/g)?.length ?? 0) % 2 === 1 || before.lastIndexOf('[') > before.lastIndexOf(']')) return ''
  return /[a-zA-Z_:][\w:]*$/.exec(before)?.[0] ?? ''
}
