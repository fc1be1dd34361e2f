/** Dates in the format of RFC 2822, such as `Tue, 21 Aug 2012 13:29:18 -0400`. */

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
/** Hours east of Greenwich. */
const ZONES: Readonly<Record<string, number>> = {
  ut: 0,
  gmt: 0,
  est: -5,
  edt: -4,
  cst: -6,
  cdt: -5,
  mst: -7,
  mdt: -6,
  pst: -8,
  pdt: -7,
};
const FORM =
  /^(?:(?<weekday>[a-z]{3}), ?)?(?<day>\d{1,2}) (?<month>[a-z]{3}) (?<year>\d{4}) (?<hour>\d{2}):(?<minute>\d{2})(?::(?<second>\d{2}))? (?<zone>[a-z]{2,3}|[+-]\d{4})$/;

/**
 * Milliseconds since 1970; undefined when the text is not a date in this format, or the day or hour does
 * not exist.
 */
export function parseDate(text: string): number | undefined {
  const { weekday, day, month, year, hour, minute, second, zone } =
    FORM.exec(text.toLowerCase())?.groups ?? {};
  const offset = zoneOf(zone ?? '');
  if (offset === undefined || Number(hour) > 23 || Number(minute) > 59 || Number(second ?? 0) > 59)
    return undefined;
  const midnight = Date.UTC(Number(year), MONTHS.indexOf(month ?? ''), Number(day));
  const date = new Date(midnight);
  if (date.getUTCDate() !== Number(day) || MONTHS[date.getUTCMonth()] !== month) return undefined;
  if (weekday !== undefined && DAYS[date.getUTCDay()] !== weekday) return undefined;
  return midnight + ((Number(hour) * 60 + Number(minute) - offset) * 60 + Number(second ?? 0)) * 1000;
}

/** Minutes east of Greenwich. */
function zoneOf(zone: string): number | undefined {
  const [, sign, hours, minutes] = /^([+-])(\d\d)([0-5]\d)$/.exec(zone) ?? [];
  if (sign !== undefined) return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
  const named = ZONES[zone];
  return named === undefined ? undefined : named * 60;
}
