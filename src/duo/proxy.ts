/** The value of http_proxy. */
import { Secret } from '../lib/secret.ts';
import { DuoHandleError } from './errors.ts';

export interface HttpProxy {
  readonly host: string;
  readonly port: number;
  /** The value of Proxy-Authorization. */
  readonly authorization: Secret | undefined;
}

const DEFAULT_PORT = 80;

/**
 * Reads `[http://][user:password@]host[:port][/]`.
 * @throws DuoHandleError without the value, which can hold a password
 */
export function parseProxy(value: Secret): HttpProxy {
  const match =
    /^(?:(?<scheme>[a-z][a-z0-9+.-]*):\/\/)?(?:(?<credentials>.*)@)?(?:\[(?<v6>[0-9a-f:.%]+)\]|(?<name>[^:/?#@\s[\]]+))(?::(?<port>\d{1,5}))?\/?$/i.exec(
      value.reveal().trim(),
    );
  const { scheme = 'http', credentials, v6, name, port } = match?.groups ?? {};
  const host = v6 ?? name;
  const number = Number(port ?? DEFAULT_PORT);
  if (scheme.toLowerCase() !== 'http') {
    throw new DuoHandleError('http_proxy is not an HTTP proxy');
  }
  if (host === undefined || number < 1 || number > 65_535) {
    throw new DuoHandleError('http_proxy must be [http://][user:password@]host[:port]');
  }
  return { host, port: number, authorization: basic(credentials) };
}

function basic(credentials: string | undefined): Secret | undefined {
  if (credentials === undefined || credentials === '') return undefined;
  return new Secret(`Basic ${Buffer.from(unescaped(credentials)).toString('base64')}`);
}

/** Decodes valid percent escapes: a password may contain `@` and `:` that way. */
function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
