/**
 * A second opinion on a name when the system's resolver has no answer: asks the machine's name servers over own
 * sockets, without other threads. Unlike getaddrinfo, this shows whether the question left this machine and who failed.
 */
import { randomInt } from 'node:crypto';
import { Resolver } from 'node:dns';
import { once } from 'node:events';
import { createConnection, isIP, isIPv6, type Socket } from 'node:net';
import type { Packet } from 'dns-packet';
import * as v from 'valibot';
import type { Clock } from '../lib/clock.ts';
import { StallDetector } from '../lib/stall-detector.ts';
import { codeOf, findShortage, isLocal, standstill } from './local.ts';
import { connectUdp, openUdp, sendUdp, sourceAddress } from './udp.ts';

/** What is known about a name. */
export type Opinion =
  | { readonly kind: 'addresses'; readonly list: readonly string[] }
  /** A name server says that the name, or an address for it, does not exist. */
  | { readonly kind: 'unknown name' }
  /** No name server works or is reachable, by the kernel's or its own report, and not because of this machine. */
  | { readonly kind: 'no service'; readonly reason: string }
  /** This machine could not ask, or nobody answered for unknown reasons. */
  | { readonly kind: 'undecided'; readonly reason: string };

export interface NameServer {
  readonly host: string;
  readonly port: number;
}

export interface NameServerOptions {
  readonly clock: Clock;
  /** The machine's name servers by default. */
  readonly servers?: () => readonly NameServer[];
  /** Whether a name server runs on this machine; `source` is our own address. */
  readonly isOwn?: (server: NameServer, source: string) => boolean;
  /** Whether this machine has a route to the outside. */
  readonly hasRoute?: () => Promise<boolean>;
}

/** The C library asks as many. */
const MAX_SERVERS = 3;
/** The wait in milliseconds after each datagram of one question. */
const TRIES_MS = [1000, 1000, 2000];
/** Milliseconds for a TCP connection to a silent name server and its answer. */
const CONNECT_MS = 4000;
const REPLY_MS = 2000;

/** Asks all name servers at once. Never rejects. */
export async function askNameServers(name: string, options: NameServerOptions): Promise<Opinion> {
  const watch = StallDetector.of(options.clock).watch();
  try {
    const servers = (options.servers ?? systemServers)().slice(0, MAX_SERVERS);
    const shortage = await findShortage();
    if (shortage !== undefined) return { kind: 'undecided', reason: codeOf(shortage) };
    // Loaded only here: a login usually has an answer from the system's resolver.
    const codec = await import('dns-packet');
    const findings = await conclusive(
      servers.map((server) => new Inquiry(name, server, options, codec).find()),
    );
    return await conclude(findings, options, () => watch.lost);
  } catch (error) {
    return { kind: 'undecided', reason: codeOf(error) || 'the name servers are not known' };
  } finally {
    watch.end();
  }
}

/**
 * The result for one server. `silent`: it answers neither UDP nor TCP. `own`: it runs on this machine and has no
 * answer; a local user who takes all ports can cause that.
 */
type Finding = Opinion | { readonly kind: 'silent' | 'own'; readonly reason: string };

/** All findings, or the first that answers the question. */
function conclusive(inquiries: readonly Promise<Finding>[]): Promise<readonly Finding[]> {
  const { promise, resolve } = Promise.withResolvers<readonly Finding[]>();
  for (const inquiry of inquiries) {
    void inquiry.then((finding) => {
      if (finding.kind === 'addresses' || finding.kind === 'unknown name') resolve([finding]);
    });
  }
  void Promise.all(inquiries).then(resolve);
  return promise;
}

async function conclude(
  findings: readonly Finding[],
  { hasRoute = systemHasRoute }: NameServerOptions,
  lost: () => number,
): Promise<Opinion> {
  const [finding] = ORDER.flatMap((kind) => findings.filter((each) => each.kind === kind));
  if (finding === undefined) return { kind: 'undecided', reason: 'no name server is configured' };
  switch (finding.kind) {
    case 'silent': {
      const { reason } = finding;
      const stood = standstill(lost());
      if (stood !== undefined) return { kind: 'undecided', reason: `${reason}; ${stood}` };
      const shortage = await findShortage();
      if (shortage !== undefined) return { kind: 'undecided', reason: codeOf(shortage) };
      return { kind: 'no service', reason };
    }
    case 'own':
      if (!(await hasRoute())) return { kind: 'no service', reason: 'Network is unreachable' };
      return { kind: 'undecided', reason: finding.reason };
    default:
      return finding;
  }
}

/** In order of precedence. A local failure to ask outweighs other servers' failures. */
const ORDER = ['addresses', 'unknown name', 'undecided', 'no service', 'silent', 'own'] as const;

/** True unless the kernel reports no route for both families. */
async function systemHasRoute(): Promise<boolean> {
  const ways = await Promise.allSettled([sourceAddress('udp4'), sourceAddress('udp6')]);
  return !ways.every(
    (way, index) =>
      way.status === 'rejected' &&
      (index === 0 ? /^ENETUNREACH$/ : /^(?:ENETUNREACH|EAFNOSUPPORT|EADDRNOTAVAIL)$/).test(
        codeOf(way.reason),
      ),
  );
}

/** The current ones of resolv.conf. */
function systemServers(): NameServer[] {
  return new Resolver().getServers().map((text) => {
    const [, host = text, port = '53'] = /^\[?([^\]]+?)\]?:(\d+)$/.exec(isIP(text) === 0 ? text : '') ?? [];
    return { host, port: Number(port) };
  });
}

function runsHere({ host }: NameServer, source: string): boolean {
  return /^(?:127\.|0\.0\.0\.0$|::1$|::$|::ffff:127\.)/.test(host) || source === host.replace(/%.*$/, '');
}

type Codec = Pick<typeof import('dns-packet'), 'decode' | 'encode' | 'streamEncode'>;

const QUESTIONS = ['A', 'AAAA'] as const;
type Question = (typeof QUESTIONS)[number];
const RECURSION_DESIRED = 0x0100;

const Reply = v.object({
  id: v.number(),
  type: v.literal('response'),
  rcode: v.string(),
  flag_tc: v.boolean(),
  questions: v.tuple([v.object({ name: v.string(), type: v.picklist(QUESTIONS) })]),
  answers: v.array(v.object({ type: v.string(), data: v.unknown() })),
});

/** One name server, asked for both address types. */
class Inquiry {
  readonly #name: string;
  readonly #server: NameServer;
  readonly #options: NameServerOptions;
  readonly #codec: Codec;
  readonly #ids = { A: randomInt(65_536), AAAA: randomInt(65_536) };
  readonly #rcodes = new Map<Question, string>();
  readonly #addresses: string[] = [];
  readonly #answered = Promise.withResolvers<void>();
  readonly #timers = new AbortController();
  #own: boolean;
  /** It accepted a connection. */
  #reached = false;

  constructor(name: string, server: NameServer, options: NameServerOptions, codec: Codec) {
    this.#name = name;
    this.#server = server;
    this.#options = options;
    this.#codec = codec;
    this.#own = this.#isOwn('');
  }

  async find(): Promise<Finding> {
    try {
      await this.#askByUdp();
      if (this.#rcodes.size === 0) await this.#askByTcp();
      return this.#found();
    } catch (error) {
      return this.#failed(error);
    } finally {
      this.#timers.abort();
    }
  }

  #found(): Finding {
    const { host } = this.#server;
    if (this.#addresses.length > 0) return { kind: 'addresses', list: this.#addresses };
    const rcodes = [...this.#rcodes.values()];
    const nothing = rcodes.length === 2 && rcodes.every((rcode) => rcode === 'NOERROR');
    if (nothing || rcodes.includes('NXDOMAIN')) return { kind: 'unknown name' };
    const failure = rcodes.find((rcode) => rcode !== 'NOERROR');
    if (failure !== undefined) return this.#unless('no service', `the name server ${host} says ${failure}`);
    const reason = `the name server ${host} does not answer`;
    return this.#unless(this.#reached || rcodes.length > 0 ? 'undecided' : 'silent', reason);
  }

  #failed(error: unknown): Finding {
    const { host } = this.#server;
    const code = codeOf(error);
    if (isLocal(error)) return { kind: 'undecided', reason: `this host can't ask ${host}: ${code}` };
    return this.#unless('no service', `the name server ${host} can't be reached: ${code}`);
  }

  /** The failure of a local server is not evidence. */
  #unless(kind: 'no service' | 'silent' | 'undecided', reason: string): Finding {
    return { kind: this.#own ? 'own' : kind, reason };
  }

  #isOwn(source: string): boolean {
    return (this.#options.isOwn ?? runsHere)(this.#server, source);
  }

  async #askByUdp(): Promise<void> {
    const { host, port } = this.#server;
    const socket = await openUdp(isIPv6(host) ? 'udp6' : 'udp4');
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => {});
    socket.on('error', failed.reject).on('message', (message) => this.#read(message));
    try {
      await connectUdp(socket, port, host);
      this.#own = this.#isOwn(socket.address().address);
      for (const ms of TRIES_MS) {
        for (const type of this.#open()) await sendUdp(socket, this.#codec.encode(this.#question(type)));
        await Promise.race([failed.promise, this.#answered.promise, this.#sleep(ms)]);
        if (this.#open().length === 0 || this.#addresses.length > 0) return;
      }
    } finally {
      socket.close();
    }
  }

  /** A silent name server may be unreachable, or only UDP is: TCP shows which, and may answer. */
  async #askByTcp(): Promise<void> {
    const { host, port } = this.#server;
    const socket = createConnection({ host, port });
    const closed = once(socket, 'close');
    closed.catch(() => {});
    try {
      const connected = once(socket, 'connect').then(() => true);
      this.#reached = await Promise.race([connected, this.#sleep(CONNECT_MS).then(() => false)]);
      if (!this.#reached) return;
      this.#readStream(socket);
      for (const type of this.#open()) socket.write(this.#codec.streamEncode(this.#question(type)));
      await Promise.race([closed, this.#answered.promise, this.#sleep(REPLY_MS)]);
    } finally {
      socket.on('error', () => {}).destroy();
    }
  }

  /** The questions without an answer. */
  #open(): Question[] {
    return QUESTIONS.filter((type) => !this.#rcodes.has(type));
  }

  #question(type: Question): Packet {
    return {
      type: 'query',
      id: this.#ids[type],
      flags: RECURSION_DESIRED,
      questions: [{ type, name: this.#name }],
    };
  }

  #readStream(socket: Socket): void {
    let held: Buffer = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      held = Buffer.concat([held, chunk]);
      while (held.length >= 2 && held.length >= 2 + held.readUInt16BE()) {
        const end = 2 + held.readUInt16BE();
        this.#read(held.subarray(2, end));
        held = held.subarray(end);
      }
    });
  }

  /** Accepts a reply to one of our questions, and ignores everything else. */
  #read(bytes: Buffer): void {
    const parsed = v.safeParse(Reply, this.#decode(bytes));
    if (!parsed.success) return;
    const { id, rcode, questions, answers, flag_tc: truncated } = parsed.output;
    const [{ type, name }] = questions;
    const ours = id === this.#ids[type] && name.toLowerCase() === this.#name.toLowerCase();
    // A truncated reply is requested again over TCP.
    if (!ours || truncated || this.#rcodes.has(type)) return;
    this.#rcodes.set(type, rcode);
    for (const { type: kind, data } of answers) {
      if (kind === type && typeof data === 'string' && isIP(data) !== 0) this.#addresses.push(data);
    }
    if (this.#open().length === 0) this.#answered.resolve();
  }

  #decode(bytes: Buffer): unknown {
    try {
      return this.#codec.decode(bytes);
    } catch {
      return undefined;
    }
  }

  #sleep(ms: number): Promise<void> {
    return this.#options.clock.sleep(ms, this.#timers.signal).catch(() => {});
  }
}
