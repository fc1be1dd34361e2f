/** Log lines in the form that log parsers know: `MESSAGE[ for 'USER'][ from HOST][: ERR]`. */
import { cleanText } from '../lib/text.ts';

export interface SentenceParts {
  readonly user?: string | undefined;
  readonly host?: string | undefined;
  readonly error?: string | undefined;
}

/** Control characters, line breaks included, become `?`: one event is one line. */
export function sentence(message: string, { user, host, error }: SentenceParts = {}): string {
  const line = [
    message,
    user === undefined ? '' : ` for '${user}'`,
    host === undefined || host === '' ? '' : ` from ${host}`,
    error === undefined || error === '' ? '' : `: ${error}`,
  ].join('');
  return cleanText(line).replaceAll('\n', ' ').trim();
}
