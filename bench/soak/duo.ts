/**
 * The simulated Duo of a soak, in a process of its own. The user name selects the faults:
 * `PERSON.SCENARIO.NUMBER`, one name for each login. alice and bert are users of the machine: alice
 * approves, bert denies.
 */
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { isPerson, isScenario, PEOPLE, SCENARIOS, type Scenario, type Site } from './scenario.ts';

/** The messages that it accepts; each is answered with one number. */
export type Ask =
  /** Whether alice's and bert's phones answer. */
  | { readonly ask: 'phones'; readonly decide: boolean }
  /** Whether preauth calls hang. Answered with the number that hang. */
  | { readonly ask: 'hold'; readonly hold: boolean }
  | { readonly ask: 'held' }
  /** Number of authentications that wait for alice's or bert's phone. */
  | { readonly ask: 'pending' }
  /** Number of users who got two pushes for one login so far. */
  | { readonly ask: 'twice' };

/** The first message: its address. */
export interface Place {
  readonly ca: string;
  /** The authority of the site whose certificate has expired. */
  readonly expiredCa: string;
  /** pam_duo.conf for each site. */
  readonly configs: Readonly<Record<Site, string>>;
}

/** Used names are removed: 20,000 of them would be a leak of this process. */
const REMEMBERED = 4000;

const [cafile = '', expiredCafile = ''] = process.argv.slice(2);
const simulator = await startSimulator({
  users: { alice: { phone: 'approve' }, bert: { phone: 'deny' } },
});
const expired = await startSimulator({ users: {}, certificate: 'expired' });
const { service } = simulator;
const { users, transactions, faults } = service;
const asked = new Map<string, number>();
const struck = new Set<string>();
let twice = 0;
let hold = false;
let held = 0;

service.on('call', ({ call, form }: { call: string; form: Readonly<Record<string, string>> }) => {
  service.calls.length = 0;
  faults.clear();
  const name = form['username'] ?? transactions.get(form['txid'] ?? '')?.occasion.username ?? '';
  if (hold && call === 'preauth') {
    held += 1;
    faults.add(call, { kind: 'hang' }, 1);
    return;
  }
  const [person = '', scenario = ''] = name.split('.');
  if (!isPerson(person) || !isScenario(scenario)) return;
  const what: Scenario = SCENARIOS[scenario];
  if (users[name] === undefined) introduce(name, person, what);
  if (call === 'auth') {
    const times = (asked.get(name) ?? 0) + 1;
    asked.set(name, times);
    if (times === 2) {
      twice += 1;
      process.stderr.write(`the simulated Duo: ${name} was asked twice\n`);
    }
  }
  if (what.call !== call || what.fault === undefined) return;
  if (what.once && struck.has(name)) return;
  struck.add(name);
  faults.add(call, what.fault, 1);
});

function introduce(name: string, person: keyof typeof PEOPLE, { ignored }: Scenario): void {
  const { user } = PEOPLE[person];
  users[name] = {
    status: 'auth',
    devices: [{ name: 'XXX-XXX-1234', push: true, phone: true, sms: true }],
    passcodes: [],
    verifiedPush: false,
    phone: 'ask',
    ...user,
    ...(ignored ? { phone: 'ignore' } : {}),
  };
  for (const old of Object.keys(users).slice(2, -REMEMBERED)) {
    delete users[old];
    asked.delete(old);
    struck.delete(old);
  }
  for (const [txid, transaction] of transactions) {
    if (transactions.size <= REMEMBERED) break;
    transaction.stop();
    transactions.delete(txid);
  }
}

/** Accepts connections and sends nothing. */
async function mute(): Promise<number> {
  return listen(createServer((socket) => socket.on('error', () => {}).resume()));
}

/** Forwards to the simulated Duo and resets all connections now and then. */
async function severed(port: number): Promise<number> {
  const open = new Set<Socket>();
  const server = createServer((near) => {
    const far = createConnection(port, '127.0.0.1');
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one);
      one
        .on('error', () => {})
        .on('close', () => {
          open.delete(one);
          other.destroy();
        });
      one.pipe(other);
    }
  });
  setInterval(() => {
    for (const socket of open) socket.destroy();
  }, 700);
  return listen(server);
}

/** A closed port. */
async function refused(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  server.close();
  return port;
}

async function listen(server: Server): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

function answer(ask: Ask): number {
  const { alice, bert } = users;
  switch (ask.ask) {
    case 'phones':
      if (alice !== undefined) alice.phone = ask.decide ? 'approve' : 'ignore';
      if (bert !== undefined) bert.phone = ask.decide ? 'deny' : 'ignore';
      return 0;
    case 'hold':
      hold = ask.hold;
      held = 0;
      return 0;
    case 'held':
      return held;
    case 'pending':
      return [...transactions.values()].filter(
        ({ pending, occasion }) => pending && ['alice', 'bert'].includes(occasion.username),
      ).length;
    case 'twice':
      return twice;
  }
}

process.on('message', (ask: Ask) => process.send?.(answer(ask)));
process.on('disconnect', () => process.exit(0));
const ports = {
  good: simulator.port,
  refused: await refused(),
  mute: await mute(),
  severed: await severed(simulator.port),
};
const place: Place = {
  ca: simulator.ca,
  expiredCa: expired.ca,
  configs: {
    good: simulator.config(cafile),
    refused: simulator.config(cafile, '', ports.refused),
    mute: simulator.config(cafile, '', ports.mute),
    severed: simulator.config(cafile, '', ports.severed),
    expired: expired.config(expiredCafile),
  },
};
process.send?.(place);
