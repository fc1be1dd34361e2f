/** A name becomes addresses: by the system's resolver, and where that has none, by a second opinion. */
import { lookup } from 'node:dns/promises';
import type { Clock } from '../lib/clock.ts';
import { askNameServers, type Opinion } from './name-servers.ts';

/** A name has no addresses. */
export class LookUpError extends Error {
  override readonly name = 'LookUpError';
  /** False: this host may have kept the question from being answered, so that it says nothing about Duo. */
  readonly evidence: boolean;
  /** A name server says so, and of this very name alone: it could be known here under a search domain. */
  readonly unknownName: boolean;

  constructor(
    message: string,
    { evidence, unknownName = false }: { evidence: boolean; unknownName?: boolean },
  ) {
    super(message);
    this.evidence = evidence;
    this.unknownName = unknownName;
  }
}

/** @throws LookUpError */
export type LookUp = (name: string) => Promise<readonly string[]>;

export interface LookUpParts {
  /** getaddrinfo: heeds nsswitch.conf and /etc/hosts, and does not say why it fails. */
  readonly system: (name: string) => Promise<readonly string[]>;
  readonly secondOpinion: (name: string) => Promise<Opinion>;
}

/** Milliseconds for getaddrinfo, which may wait for a thread, or for a name server longer than a login can. */
const SYSTEM_MS = 8000;
/** More addresses than a login has time to try. */
export const MAX_ADDRESSES = 16;

/** One question at a time is asked for a name, for all who wait for it. */
export function createLookUp(clock: Clock, parts: Partial<LookUpParts> = {}): LookUp {
  const {
    system = async (name) => (await lookup(name, { all: true })).map(({ address }) => address),
    secondOpinion = (name) => askNameServers(name, { clock }),
  } = parts;
  const running = new Map<string, Promise<readonly string[] | undefined>>();

  /** getaddrinfo can't be cancelled: one that hangs is waited for again instead of taking up another thread. */
  const ask = (name: string): Promise<readonly string[] | undefined> => {
    const known = running.get(name);
    if (known !== undefined) return known;
    const question = system(name)
      .catch(() => undefined)
      .finally(() => running.delete(name));
    running.set(name, question);
    return question;
  };

  return async (name) => {
    const timer = new AbortController();
    const late = clock.sleep(SYSTEM_MS, timer.signal).catch(() => {});
    const answer = ask(name);
    const first = await Promise.race([answer, late]);
    timer.abort();
    if (first) return first.slice(0, MAX_ADDRESSES);
    const opinion = await Promise.race([secondOpinion(name), positive(answer)]);
    switch (opinion.kind) {
      case 'addresses':
        return opinion.list.slice(0, MAX_ADDRESSES);
      case 'unknown name':
        throw new LookUpError('Name or service not known', { evidence: true, unknownName: true });
      case 'no service':
        throw new LookUpError(opinion.reason, { evidence: true });
      case 'undecided':
        throw new LookUpError(opinion.reason, { evidence: false });
    }
  };
}

/** Resolves when the system's resolver has addresses after all, and else never. */
function positive(answer: Promise<readonly string[] | undefined>): Promise<Opinion> {
  const { promise, resolve } = Promise.withResolvers<Opinion>();
  void answer.then((list) => {
    if (list !== undefined) resolve({ kind: 'addresses', list });
  });
  return promise;
}
