/** A network of this private machine with a second machine, and the name servers of this one. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { type Behaviour, startNameServer } from '../lib/name-server.ts';
import { run, until } from './machine.ts';

/** The address of this machine, and of the other one, which is the default gateway. */
export const OWN = '198.51.100.1';
export const REMOTE = '198.51.100.2';

let other: ChildProcess | undefined;

/** Makes the network. It ends with the private machine. */
export async function setUpNetwork(): Promise<void> {
  other = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' });
  other.unref();
  const { pid } = other;
  const namespace = (of: number | string | undefined) => readlinkSync(`/proc/${of}/ns/net`);
  await until(() => namespace(pid) !== namespace('self'));
  run('ip', 'link', 'add', 'out', 'type', 'veth', 'peer', 'name', 'in', 'netns', String(pid));
  run('ip', 'address', 'add', `${OWN}/24`, 'dev', 'out');
  run('ip', 'link', 'set', 'out', 'up');
  elsewhere('ip', 'address', 'add', `${REMOTE}/24`, 'dev', 'in');
  elsewhere('ip', 'link', 'set', 'in', 'up');
  // The kernel limits "port unreachable" to one a second by default.
  elsewhere('sysctl', '--quiet', '--write', 'net.ipv4.icmp_ratelimit=0');
  run('ip', 'route', 'add', 'default', 'via', REMOTE);
}

const thither = () => ['--net', `--target=${other?.pid}`];

/** Runs a command on the other machine. */
export function elsewhere(...command: string[]): void {
  run('nsenter', ...thither(), ...command);
}

/** Sets the name servers. getaddrinfo waits one second for them instead of ten. */
export function useNameServers(...addresses: string[]): void {
  const lines = [...addresses.map((address) => `nameserver ${address}`), 'options timeout:1 attempts:1', ''];
  rmSync('/etc/resolv.conf', { force: true });
  writeFileSync('/etc/resolv.conf', lines.join('\n'));
  rmSync('/etc/nsswitch.conf', { force: true });
  writeFileSync('/etc/nsswitch.conf', 'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n');
}

/**
 * Starts a name server on port 53, on the other machine if the address is that one's.
 * @param t the test that ends it
 */
export async function nameServer(
  t: { teardown(end: () => unknown): void },
  host: string,
  udp: Behaviour,
  tcp?: Behaviour,
): Promise<void> {
  const options = { host, port: 53, udp, ...(tcp === undefined ? {} : { tcp }) };
  if (host !== REMOTE) {
    const server = await startNameServer(options);
    t.teardown(() => server.close());
    return;
  }
  const program = [process.execPath, 'test/hosts/name-server.ts', JSON.stringify(options)];
  const child = spawn('nsenter', [...thither(), ...program], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(async () => {
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  });
  await once(child.stdout, 'data');
}
