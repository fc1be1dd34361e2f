/** Draws the text of a terminal as SVG without scripts, fonts or other external resources. */

export type Ink = 'plain' | 'dim' | 'typed' | 'place' | 'good' | 'aside';

export interface Run {
  readonly text: string;
  readonly ink: Ink;
}

export type Line = readonly Run[];

export interface Pane {
  readonly title: string;
  readonly lines: readonly Line[];
}

const INKS: Readonly<Record<Ink, string>> = {
  plain: '#c9d1d9',
  dim: '#8b949e',
  typed: '#ffffff',
  place: '#79c0ff',
  good: '#7ee787',
  aside: '#e3b341',
};
/** Pixels. A column has the width of a 14-pixel monospaced character. */
const COLUMN = 8.43;
const ROW = 21;
const BAR = 36;
const MARGIN = 18;
const GAP = 14;

/** Draws the panes below one another, as wide as the longest line. `label` is the text for screen readers. */
export function terminalSvg(panes: readonly Pane[], label: string): string {
  const columns = Math.max(...panes.flatMap(({ lines }) => lines.map(lengthOf)));
  const width = Math.ceil(columns * COLUMN) + 2 * MARGIN;
  let top = 0;
  const drawn: string[] = [];
  for (const pane of panes) {
    drawn.push(`<g transform="translate(0 ${top})">\n${draw(pane, width)}\n</g>`);
    top += heightOf(pane) + GAP;
  }
  const height = top - GAP;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escaped(label)}</title>`,
    '<style>text { font: 14px ui-monospace, SFMono-Regular, Menlo, "DejaVu Sans Mono", Consolas, monospace; white-space: pre }</style>',
    ...drawn,
    '</svg>',
    '',
  ].join('\n');
}

function heightOf({ lines }: Pane): number {
  return BAR + lines.length * ROW + MARGIN;
}

function lengthOf(line: Line): number {
  return line.reduce((sum, { text }) => sum + [...text].length, 0);
}

function draw(pane: Pane, width: number): string {
  const dots = ['#ff5f56', '#ffbd2e', '#27c93f'].map(
    (colour, index) => `<circle cx="${MARGIN + 6 + index * 20}" cy="18" r="6" fill="${colour}"/>`,
  );
  return [
    `<rect width="${width}" height="${heightOf(pane)}" rx="10" fill="#0d1117" stroke="#30363d"/>`,
    ...dots,
    `<text x="${width / 2}" y="23" text-anchor="middle" fill="${INKS.dim}">${escaped(pane.title)}</text>`,
    ...pane.lines.map((line, index) => drawLine(line, BAR + index * ROW + 16)).filter((line) => line !== ''),
  ].join('\n');
}

/** Each run of text has its own position, so that fonts of another width do not overlap. */
function drawLine(line: Line, y: number): string {
  let column = 0;
  const spans: string[] = [];
  for (const { text, ink } of line) {
    const x = (MARGIN + column * COLUMN).toFixed(1);
    const weight = ink === 'typed' ? ' font-weight="bold"' : '';
    const style = ink === 'aside' ? ' font-style="italic"' : '';
    if (text.trim() !== '')
      spans.push(`<tspan x="${x}" fill="${INKS[ink]}"${weight}${style}>${escaped(text)}</tspan>`);
    column += [...text].length;
  }
  return spans.length === 0 ? '' : `<text y="${y}" xml:space="preserve">${spans.join('')}</text>`;
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
