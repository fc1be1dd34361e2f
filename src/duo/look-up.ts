/** Looks a name up with the system's resolver, and with a second opinion if that fails. */
import { lookup } from 'node:dns/promises';
import type { Clock } from '../lib/clock.ts';
import { askNameServers, type Opinion } from './name-servers.ts';

/** A name has no addresses. */
export class LookUpError extends Error {
  override readonly name = 'LookUpError';
  /** False: this machine may have kept the question from being answered, so this is not evidence about Duo. */
  readonly evidence: boolean;
  /** A name server says that exactly this name does not exist. The name may still exist in a search domain. */
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
  /** getaddrinfo: uses nsswitch.conf and /etc/hosts, and does not report why it fails. */
  readonly system: (name: string) => Promise<readonly string[]>;
  readonly secondOpinion: (name: string) => Promise<Opinion>;
}

/** Milliseconds for getaddrinfo, which may wait for a thread or a slow name server. */
const SYSTEM_MS = 8000;
/** More addresses than a login has time for. */
export const MAX_ADDRESSES = 16;

/** Each name has one running look-up, shared by all callers. */
export function createLookUp(clock: Clock, parts: Partial<LookUpParts> = {}): LookUp {
  const {
    system = async (name) => (await lookup(name, { all: true })).map(({ address }) => address),
    secondOpinion = (name) => askNameServers(name, { clock }),
  } = parts;
  const running = new Map<string, Promise<readonly string[] | undefined>>();

  /** getaddrinfo cannot be cancelled. A hanging look-up is shared instead of using another thread. */
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

/** Resolves when the system's resolver returns addresses, otherwise never. */
function positive(answer: Promise<readonly string[] | undefined>): Promise<Opinion> {
  const { promise, resolve } = Promise.withResolvers<Opinion>();
  void answer.then((list) => {
    if (list !== undefined) resolve({ kind: 'addresses', list });
  });
  return promise;
}
