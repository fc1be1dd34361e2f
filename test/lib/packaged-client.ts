/**
 * Duo's own client as Debian packages it (libpam-duo), set up against a simulator: a client that nobody here wrote, for
 * tests, and a peer to measure against. It writes into one directory and needs nothing of /etc.
 */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Simulator } from '../../src/simulator/simulator.ts';
import type { PamLogin } from '../../src/unix/pam-client.ts';

export interface PackagedClient {
  /**
   * One login of a user that the host knows, for `authenticate` of src/unix; what happens is up to the simulator's user
   * of that name and to `more`:
   * - a bypass (one request): `status: 'allow'`
   * - a push (three requests or more): `phone: 'approve'`, and `autopush = yes` or an answer to the prompt
   * - a synchronous push (two requests): the same with `sync`
   * @param sync the stack has the name `sshd`, and that makes the client wait for the factor within one request
   */
  login(user: string, options?: { readonly sync?: boolean; readonly rhost?: string }): PamLogin;
}

/** Where Debian's module is. @throws Error when it isn't installed */
export function packagedModule(): string {
  const found = readdirSync('/usr/lib')
    .map((name) => `/usr/lib/${name}/security/pam_duo.so`)
    .find((path) => existsSync(path));
  if (found === undefined)
    throw new Error("Debian's libpam-duo is not installed: run `scripts/prepare.sh test`");
  return found;
}

/**
 * Writes stacks, configuration and authority. What it is to read belongs to whoever calls this: root, where root logs in.
 * @param directory exists; absolute
 * @param more lines of configuration
 * @param port of a proxy that stands before the simulator
 */
export function setUpPackagedClient(
  simulator: Simulator,
  directory: string,
  { more = '', port = simulator.port }: { readonly more?: string; readonly port?: number } = {},
): PackagedClient {
  const confdir = join(directory, 'pam.d');
  const config = join(directory, 'pam_duo.conf');
  const authority = join(directory, 'ca.pem');
  mkdirSync(confdir, { recursive: true });
  writeFileSync(authority, simulator.ca);
  writeFileSync(config, simulator.config(authority, more, port), { mode: 0o600 });
  for (const service of ['duo', 'sshd']) {
    writeFileSync(join(confdir, service), `auth required ${packagedModule()} conf=${config}\n`);
  }
  return {
    login: (user, { sync = false, rhost } = {}) => ({
      service: sync ? 'sshd' : 'duo',
      user,
      confdir,
      ...(rhost === undefined ? {} : { rhost }),
    }),
  };
}
