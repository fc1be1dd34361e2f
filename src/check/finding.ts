/** What a check found. */

export type Level = 'ok' | 'warning' | 'error';
export type Area = 'configuration' | 'duo' | 'engine' | 'pam' | 'sshd' | 'sudo' | 'login_duo';

export interface Finding {
  readonly level: Level;
  readonly area: Area;
  /** Names the kind of finding, and stays the same over releases. */
  readonly id: string;
  /** What is the case, as a sentence. */
  readonly text: string;
  /** What to do; absent when there is nothing to do. */
  readonly fix?: string;
}

/** Collects the findings of one area. */
export class Findings {
  readonly list: Finding[] = [];
  readonly #area: Area;

  constructor(area: Area) {
    this.#area = area;
  }

  ok(id: string, text: string): void {
    this.list.push({ level: 'ok', area: this.#area, id, text });
  }

  warn(id: string, text: string, fix: string): void {
    this.list.push({ level: 'warning', area: this.#area, id, text, fix });
  }

  error(id: string, text: string, fix: string): void {
    this.list.push({ level: 'error', area: this.#area, id, text, fix });
  }
}
