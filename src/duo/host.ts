/** Parses `host`, the API host. */

export interface ApiHost {
  /** In lower case, without a port and without brackets. */
  readonly host: string;
  readonly port: number;
}

const HTTPS = 443;

/** Parses `name`, `name:port`, `[address]` or `[address]:port`; undefined for anything else. The name may be empty. */
export function parseHost(value: string): ApiHost | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^\s:/@[\]]*))(?::(\d{1,5}))?$/.exec(value);
  const port = Number(match?.[3] ?? HTTPS);
  if (match === null || port < 1 || port > 65_535) return undefined;
  return { host: (match[1] ?? match[2] ?? '').toLowerCase(), port };
}
