/**
 * The simulated Duo of a bench, in a process of its own so that it uses no time of the measuring process.
 * It is controlled by messages, each with one answer.
 */

import { startSimulator } from '../src/simulator/simulator.ts';
import type { User } from '../src/simulator/users.ts';
import { startDelayProxy } from './delay-proxy.ts';
import { wallClock } from './start.ts';

/** The messages that the simulated Duo accepts. */
export type Ask =
  | { readonly ask: 'user'; readonly status: User['status']; readonly phone: User['phone'] }
  /** Number of authentications that wait for the phone. */
  | { readonly ask: 'pending' }
  | { readonly ask: 'approve' }
  /** Time (wallClock()) of the first request since the last such message; 0: there was none. */
  | { readonly ask: 'firstCall' };

/** The first message: its address. */
export interface Place {
  readonly ca: string;
  readonly host: string;
  /** The configuration for direct access, and for access through the delay. */
  readonly near: string;
  readonly far: string;
}

const [name = '', cafile = '', delay = ''] = process.argv.slice(2);
const simulator = await startSimulator({ users: { [name]: {} } });
const proxy = await startDelayProxy({ port: simulator.port, delay: Number(delay) });
const { users, transactions } = simulator.service;
let firstCall = 0;
simulator.service.on('call', () => {
  firstCall ||= wallClock();
});

function waiting() {
  return [...transactions.values()].filter(({ pending }) => pending);
}

function answer(ask: Ask): number {
  const user = users[name];
  switch (ask.ask) {
    case 'user':
      if (user !== undefined) Object.assign(user, { status: ask.status, phone: ask.phone });
      transactions.clear();
      simulator.service.calls.length = 0;
      return 0;
    case 'pending':
      return waiting().length;
    case 'approve': {
      const all = waiting();
      for (const transaction of all) transaction.approve();
      return all.length;
    }
    case 'firstCall': {
      const first = firstCall;
      firstCall = 0;
      return first;
    }
  }
}

process.on('message', (ask: Ask) => process.send?.(answer(ask)));
process.on('disconnect', () => process.exit(0));
const place: Place = {
  ca: simulator.ca,
  host: simulator.host,
  near: simulator.config(cafile),
  far: simulator.config(cafile, '', proxy.port),
};
process.send?.(place);
