/**
 * Text from elsewhere (Duo, the user, a certificate) before it reaches a terminal or a log: control characters, C1
 * included since terminals obey them, and the marks that turn the direction of writing become `?`.
 */

const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** Replaces control characters; tab and newline stay. */
export function cleanText(text: string): string {
  return text.toWellFormed().replace(CONTROLS, '?');
}
