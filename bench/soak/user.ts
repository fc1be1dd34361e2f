/** An unprivileged user at the engine's socket, controlled by messages; reports how each connection ended. */
import type { Facts } from '../../src/login/messages.ts';
import { type Ending, GUESTS, logIn } from './driver.ts';
import { Dice } from './scenario.ts';

export type Task =
  /** Logs in that many times, one after the other or all at once. */
  | { readonly task: 'logins'; readonly count: number; readonly atOnce: boolean }
  /** Claims to be another user. */
  | { readonly task: 'impostor'; readonly name: string }
  /** Sends a configuration. */
  | { readonly task: 'configuration'; readonly text: string }
  /** That many connections with random bytes, as fast as possible. */
  | { readonly task: 'flood'; readonly count: number; readonly seed: number };

const [path = '', name = ''] = process.argv.slice(2);

function facts(user: string, config?: string): Facts {
  return {
    program: 'pam',
    service: 'soak',
    user,
    // A claim that is ignored, and wrong.
    rhost: '203.0.113.9',
    silent: false,
    noConversation: false,
    callerUid: 0,
    account: { name: 'amy.fine.0', uid: 0, gecos: 'amy.fine.0' },
    ...(config === undefined ? {} : { config: { path: '/etc/duo/pam_duo.conf', text: config } }),
    hostName: 'elsewhere',
    deadline: 100_000,
  };
}

const one = (of: Facts) => logIn(path, of, { answer: '1' });

async function fulfil(task: Task): Promise<Ending[]> {
  switch (task.task) {
    case 'logins': {
      if (task.atOnce) return Promise.all(Array.from({ length: task.count }, () => one(facts(name))));
      const endings: Ending[] = [];
      while (endings.length < task.count) endings.push(await one(facts(name)));
      return endings;
    }
    case 'impostor':
      return [await one(facts(task.name))];
    case 'configuration':
      return [await one(facts(name, task.text))];
    case 'flood': {
      const dice = new Dice(task.seed);
      const faults = await Promise.all(Array.from({ length: task.count }, () => GUESTS.garbage(path, dice)));
      return faults.flatMap((fault) =>
        fault === undefined ? [] : [{ outcome: undefined, greeted: false, code: undefined, fault, ms: 0 }],
      );
    }
  }
}

process.on('message', async (task: Task) => process.send?.(await fulfil(task)));
process.on('disconnect', () => process.exit(0));
process.send?.([]);
