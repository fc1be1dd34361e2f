/** The logo of the account: a green square of 16 by 16 pixels. */
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAHElEQVR42mP4TyJgoKMG8QZ/PGhUw/DRMGgSHwCFLSwj3ULTRwAAAABJRU5ErkJggg==',
  'base64',
);

export function logo(): Response {
  return new Response(PNG, { headers: { 'Content-Type': 'image/png' } });
}
