/** Parts of the UTC date of a Unix time in seconds. */

type DatePart = (date: CivilTime) => number

interface CivilTime {
  readonly year: number
  /** 1 to 12 */
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  /** 0: Sunday */
  readonly weekday: number
}

export const dateFunctions: ReadonlyMap<string, (seconds: number) => number> = new Map(
  Object.entries<DatePart>({
    year: ({ year }) => year,
    month: ({ month }) => month,
    day_of_month: ({ day }) => day,
    hour: ({ hour }) => hour,
    minute: ({ minute }) => minute,
    day_of_week: ({ weekday }) => weekday,
    day_of_year: ({ year, month, day }) => dayOfYear(year, month, day),
    days_in_month: ({ year, month }) => daysInMonth(year, month),
  }).map(([name, part]) => [name, (seconds: number) => part(civilTime(seconds))]),
)

const beforeMonth = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365]

function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
}

function daysInMonth(year: number, month: number): number {
  return (beforeMonth[month] as number) - (beforeMonth[month - 1] as number) + (month === 2 && isLeap(year) ? 1 : 0)
}

function dayOfYear(year: number, month: number, day: number): number {
  return (beforeMonth[month - 1] as number) + day + (month > 2 && isLeap(year) ? 1 : 0)
}

const MIN_INT64 = -(2n ** 63n)
/** From Go's year 0 (-292277022399) to 1970, in seconds: times before it wrap around. */
const GO_BEGINNING = -9223372028715321600n

/** As Go does it, also for what is no date: NaN and numbers beyond 64 bits are the least 64-bit integer, and its date wraps around. */
function civilTime(value: number): CivilTime {
  const whole = Math.trunc(value)
  if (Math.abs(whole) <= Number.MAX_SAFE_INTEGER) return civil(Math.floor(whole / 86400), ((whole % 86400) + 86400) % 86400)
  let seconds = Math.abs(whole) < 2 ** 63 ? BigInt(whole) : MIN_INT64
  if (seconds < GO_BEGINNING) seconds += 2n ** 64n
  const ofDay = ((seconds % 86400n) + 86400n) % 86400n
  return civil(Number((seconds - ofDay) / 86400n), Number(ofDay))
}

function civil(days: number, secondOfDay: number): CivilTime {
  // Years that begin in March, in eras of 400 years: then the leap day is the last of its year.
  const shifted = days + 719468
  const era = Math.floor(shifted / 146097)
  const dayOfEra = shifted - era * 146097
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36524) - Math.floor(dayOfEra / 146096)) / 365,
  )
  const marchDay = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const marchMonth = Math.floor((5 * marchDay + 2) / 153)
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: marchDay - Math.floor((153 * marchMonth + 2) / 5) + 1,
    hour: Math.floor(secondOfDay / 3600),
    minute: Math.floor((secondOfDay % 3600) / 60),
    weekday: (((days + 4) % 7) + 7) % 7,
  }
}
