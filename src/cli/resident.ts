/** `duo-ts engine --resident`: serves all logins of this machine in one process, started by systemd or by hand. */
import { lstatSync, mkdirSync, readFileSync, unlinkSync } from 'node:fs';
import { createConnection, createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { parseConfig } from '../config/config.ts';
import { openAddressFile } from '../duo/address-file.ts';
import { type AddressStore, MemoryResolver } from '../duo/addresses.ts';
import { DuoError } from '../duo/errors.ts';
import { localAddress } from '../duo/local-address.ts';
import { createLookUp } from '../duo/look-up.ts';
import { ServiceCache } from '../duo/service-cache.ts';
import { systemClock } from '../lib/clock.ts';
import { RELEASE } from '../lib/release.ts';
import { cleanText } from '../lib/text.ts';
import { BreakGlass } from '../login/break-glass.ts';
import { loginFor } from '../login/login.ts';
import { type ConfigText, Priority } from '../login/messages.ts';
import { keepConnected, openDuo } from '../login/open-duo.ts';
import { Approvals } from '../resident/approvals.ts';
import { awaitEnd, type End } from '../resident/end.ts';
import { awaitIdle } from '../resident/idle.ts';
import { LEAVE_MS, LOGIN_MS, ResidentServer } from '../resident/server.ts';
import { DEFAULT_SETTINGS, parseSettings, type ResidentSettings } from '../resident/settings.ts';
import { Statistics } from '../resident/statistics.ts';
import { openStatisticsFile } from '../resident/statistics-file.ts';
import { loadInstalledUnix } from '../unix/installed.ts';
import type { Unix } from '../unix/unix.ts';

/** The user that the engine runs as. */
const USER = 'duo';
/** The first descriptor that systemd passes. */
const FIRST_FD = 3;
const MAX_CONFIG = 65_536;
/** The queue of the socket. It is better to queue a burst of logins than to start a private engine for each. */
const BACKLOG = 4096;
/** Milliseconds after the start at which memory of the start can be released. */
const STARTED_MS = 2000;
/** Milliseconds within which every login ends. */
const DRAIN_MS = LOGIN_MS + 2 * LEAVE_MS;

export interface ResidentArguments {
  /** The socket, if systemd passes none. */
  readonly socket: string;
  /** Whether users other than root can connect to it. */
  readonly users: boolean;
  /** The configuration for users who cannot read it; absent: none. */
  readonly config?: string;
  /** The directory for Duo's addresses; absent: systemd's StateDirectory, if any. */
  readonly state?: string;
  /** resident.conf; absent: the defaults. */
  readonly settings?: string;
}

/** Why the engine cannot start, as a sentence. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

/**
 * Runs until it must end, has been idle for long enough or meets an unforeseen error, and then until the last login has
 * ended.
 * @throws StartError
 */
export async function runResident(options: ResidentArguments): Promise<void> {
  // A closed standard error must not end logins.
  process.stderr.on('error', () => {});
  // V8's young generation otherwise grows with the load and shrinks late: 50 MiB with a thousand logins.
  setFlagsFromString('--semi-space-growth-factor=1');
  const unix = loadAddon();
  const files = readFiles(options);
  const notify = notifier(unix);
  const listener = createServer();
  const passed = passedSocket();
  await (passed ? listenOn(listener, { fd: FIRST_FD }) : listenByHand(listener, options));
  becomeUser(unix);
  unix.hardenProcess();
  const state = options.state ?? process.env['STATE_DIRECTORY'];
  const store = openStore(state);
  const statistics: Statistics = new Statistics({
    clock: systemClock,
    release: RELEASE,
    waiting: () => server.inFlight,
    store: state === undefined ? undefined : openStatisticsFile(join(state, 'statistics'), warn),
  });
  process.permission?.drop('fs.write');

  const serviceCache = new ServiceCache(
    systemClock,
    (problem) => log(Priority.warning, `${problem}; it is tried again`),
    {
      resolver: new MemoryResolver(systemClock, createLookUp(systemClock), store),
    },
  );
  const approvals = new Approvals(systemClock);
  const server: ResidentServer = new ResidentServer({
    forget: (user) => approvals.forget(user),
    login: loginFor({
      openDuo: (duo, tell, program) => openDuo(duo, tell, program, serviceCache),
      localAddress,
      engine: 'resident',
      approvals,
      breakGlass: new BreakGlass(systemClock),
      recorded: (record) => statistics.count(record),
    }),
    clock: systemClock,
    release: RELEASE,
    log,
    ...files,
    hostName: unix.canonicalHostName(),
    accountOf: (uid) => unix.userById(uid),
    groupsOf: (uid) => unix.groupsOf(uid),
  });
  listener.on('connection', (socket) => {
    const uid = peerOf(unix, socket);
    if (uid === undefined) socket.destroy();
    else {
      server.accept(socket, uid);
      statistics.changed();
    }
  });
  const end = awaitEnd(process, log);
  process.on('SIGHUP', () => reload(options, server, serviceCache));
  const watchdog = startWatchdog(notify);
  notify('READY=1');
  void connectEarly(files.config, serviceCache);
  setTimeout(() => unix.releaseMemory(), STARTED_MS);
  log(Priority.info, `release ${RELEASE} serves as uid ${process.geteuid?.()}`);

  // Only with systemd's socket can the next connection start another engine.
  const { reason, failed } = await (passed ? Promise.race([end, idleEnd(server, listener)]) : end);
  if (failed) process.exitCode = 1;
  notify(`STOPPING=1\nSTATUS=waiting for ${server.inFlight} logins to end`);
  log(Priority.info, `${reason}: accepts no more logins, ${server.inFlight} are in progress`);
  // After an unforeseen error a login may never end.
  await Promise.race([server.drain(), systemClock.sleep(DRAIN_MS)]);
  listener.close();
  clearInterval(watchdog);
  serviceCache.close();
  log(Priority.info, 'ends');
}

/**
 * The end of an idle engine. Its copy of the socket is closed after its last connection; new connections wait in
 * systemd's queue for the next engine.
 */
async function idleEnd(server: ResidentServer, listener: Server): Promise<End> {
  await awaitIdle(server, systemClock, new AbortController().signal, () => listener.close());
  return { reason: 'idle', failed: false };
}

/** Read at the start, and again at SIGHUP. */
interface Files {
  readonly config: ConfigText | undefined;
  readonly settings: ResidentSettings;
}

function readFiles({ config, settings }: ResidentArguments): Files {
  return { config: readConfig(config), settings: readSettings(settings) };
}

/** Logins in progress keep their configuration. If a file cannot be read, everything stays as it was. */
function reload(options: ResidentArguments, server: ResidentServer, serviceCache: ServiceCache): void {
  try {
    const files = readFiles(options);
    server.reconfigure(files);
    void connectEarly(files.config, serviceCache);
    log(Priority.info, 'SIGHUP: the configuration has been read again');
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    log(Priority.error, `SIGHUP: ${error.message}; the configuration stays as it was`);
  }
}

/** journald reads the priority from the line; a terminal does not need it. */
function log(priority: Priority, text: string): void {
  const prefix = process.env['JOURNAL_STREAM'] === undefined ? 'duo-ts engine: ' : `<${priority}>`;
  process.stderr.write(`${prefix}${cleanText(text).replaceAll('\n', ' ')}\n`);
}

/** Logs a problem that ends no login. */
function warn(problem: string): void {
  log(Priority.warning, problem);
}

/** Each login reports a configuration with errors; here it only means that there is no early connection. */
async function connectEarly(config: ConfigText | undefined, serviceCache: ServiceCache): Promise<void> {
  if (config === undefined) return;
  const { path, text } = config;
  const parsed = parseConfig(text, { path, program: 'pam' });
  if (!parsed.ok) {
    log(Priority.error, `the configuration in ${path} can't be used`);
    return;
  }
  try {
    await keepConnected(parsed.config, serviceCache);
  } catch (error) {
    if (!(error instanceof DuoError)) throw error;
    log(Priority.error, `${path}: ${error.message}`);
  }
}

/** Where Duo's addresses are kept between processes. Without it they are looked up again. */
function openStore(directory: string | undefined): AddressStore | undefined {
  if (directory === undefined) return undefined;
  return openAddressFile(join(directory, 'addresses'), warn);
}

function loadAddon(): Unix {
  try {
    return loadInstalledUnix(process.execPath);
  } catch (error) {
    throw new StartError(`the addon can't be loaded: ${messageOf(error)}`);
  } finally {
    process.permission?.drop('addon');
  }
}

function readConfig(path: string | undefined): ConfigText | undefined {
  if (path === undefined) return undefined;
  const text = readText(path);
  if (text.includes('\0')) throw new StartError(`${path} holds a NUL byte: it is not a configuration`);
  return { path, text };
}

function readSettings(path: string | undefined): ResidentSettings {
  if (path === undefined) return DEFAULT_SETTINGS;
  const { settings, problems } = parseSettings(readText(path), path);
  for (const problem of problems) log(Priority.error, `${problem}; only root is served`);
  return settings;
}

function readText(path: string): string {
  try {
    const text = readFileSync(path, 'utf8');
    if (text.length > MAX_CONFIG) throw new StartError(`${path} is longer than ${MAX_CONFIG} bytes`);
    return text;
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new StartError(`${path} can't be read: ${messageOf(error)}`);
  }
}

/** sd_notify(3). Without a listener nothing happens. */
function notifier(unix: Unix): (state: string) => void {
  const path = process.env['NOTIFY_SOCKET'];
  if (path === undefined) return () => {};
  return (state) => {
    try {
      unix.notify(path, state);
    } catch (error) {
      log(Priority.warning, `cannot notify systemd of ${state.split('\n', 1)[0]}: ${messageOf(error)}`);
    }
  };
}

/** Pings the watchdog twice in every interval, which shows that the event loop runs. */
function startWatchdog(notify: (state: string) => void): NodeJS.Timeout | undefined {
  const { WATCHDOG_USEC, WATCHDOG_PID } = process.env;
  const interval = Number(WATCHDOG_USEC) / 1000;
  if (!(interval > 0) || (WATCHDOG_PID !== undefined && Number(WATCHDOG_PID) !== process.pid))
    return undefined;
  return setInterval(() => notify('WATCHDOG=1'), interval / 2);
}

/** sd_listen_fds(3): true when systemd has passed a socket on to this process. */
function passedSocket(): boolean {
  const { LISTEN_PID, LISTEN_FDS } = process.env;
  if (LISTEN_PID === undefined || Number(LISTEN_PID) !== process.pid) return false;
  if (LISTEN_FDS !== '1') throw new StartError(`one socket is wanted, and ${LISTEN_FDS} are passed on`);
  return true;
}

async function listenOn(server: Server, options: ListenOptions & { readonly fd?: number }): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen({ ...options, backlog: BACKLOG }, resolve);
  try {
    await promise;
  } catch (error) {
    throw new StartError(`no connections can be taken: ${messageOf(error)}`);
  } finally {
    server.off('error', reject);
  }
}

async function listenByHand(
  server: Server,
  { socket: path, users }: Pick<ResidentArguments, 'socket' | 'users'>,
): Promise<void> {
  if (!path.startsWith('/')) throw new StartError(`${path} is not an absolute path`);
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    await removeStale(path);
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new StartError(`${path} can't be made: ${messageOf(error)}`);
  }
  const before = process.umask(0o177);
  await listenOn(server, { path, readableAll: users, writableAll: users });
  process.umask(before);
}

/** Removes a stale socket, but not one that is in use. */
async function removeStale(path: string): Promise<void> {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return;
  if (!lstatSync(path).isSocket()) throw new StartError(`${path} exists and is not a socket`);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const probe = createConnection(path, () => resolve(true)).on('error', () => resolve(false));
  const served = await promise;
  probe.destroy();
  if (served) throw new StartError(`another engine listens at ${path}`);
  unlinkSync(path);
}

/** Root has listened and read. From now on the process is an unprivileged user. */
function becomeUser(unix: Unix): void {
  if (process.geteuid?.() !== 0) return;
  const user = unix.userByName(USER);
  if (user === undefined) throw new StartError(`there is no system user ${USER} to run as`);
  process.setgroups?.([]);
  process.setgid?.(user.gid);
  process.setuid?.(user.uid);
  try {
    process.setuid?.(0);
  } catch {
    return;
  }
  throw new StartError('root could not be given up');
}

/** The uid of the peer; undefined when unknown, and then nobody is served. */
function peerOf(unix: Unix, socket: Socket): number | undefined {
  // Node does not expose a socket's descriptor publicly.
  const handle: unknown = Reflect.get(socket, '_handle');
  if (typeof handle !== 'object' || handle === null || !('fd' in handle) || typeof handle.fd !== 'number') {
    log(Priority.error, 'a connection has no descriptor: it is dropped');
    return undefined;
  }
  try {
    return unix.peerCredentials(handle.fd).uid;
  } catch (error) {
    log(Priority.error, `who calls can't be known: ${messageOf(error)}`);
    return undefined;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
