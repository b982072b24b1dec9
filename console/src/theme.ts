import { useSyncExternalStore } from 'react'

const dark = matchMedia('(prefers-color-scheme: dark)')

/** Which colours the page has; what draws on a canvas must draw again when they change. */
export function useTheme(): 'dark' | 'light' {
  return useSyncExternalStore(
    (changed) => {
      dark.addEventListener('change', changed)
      return () => dark.removeEventListener('change', changed)
    },
    () => (dark.matches ? 'dark' : 'light'),
  )
}
