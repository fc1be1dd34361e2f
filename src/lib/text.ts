/**
 * Cleans text from outside (Duo, the user, a certificate) for terminals and logs: control characters including C1, and
 * bidirectional marks, become `?`.
 */

const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** Replaces control characters; tab and newline stay. */
export function cleanText(text: string): string {
  return text.toWellFormed().replace(CONTROLS, '?');
}
