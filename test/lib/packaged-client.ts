/**
 * Duo's own client as packaged by Debian (libpam-duo), set up against a simulator: independent code for
 * tests, and a client to measure against. It writes into one directory and needs nothing of /etc.
 */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Simulator } from '../../src/simulator/simulator.ts';
import type { PamLogin } from '../../src/unix/pam-client.ts';

export interface PackagedClient {
  /**
   * One login of a user of this machine, for `authenticate` of src/unix. The simulator's user of that name
   * and `more` decide the result:
   * - a bypass (one request): `status: 'allow'`
   * - a push (three requests or more): `phone: 'approve'`, and `autopush = yes` or an answer to the prompt
   * - a synchronous push (two requests): the same with `sync`
   * @param sync the stack is named `sshd`, which makes the client wait for the factor within one request
   */
  login(user: string, options?: { readonly sync?: boolean; readonly rhost?: string }): PamLogin;
}

/** The path of Debian's module. @throws Error when it is not installed */
export function packagedModule(): string {
  const found = readdirSync('/usr/lib')
    .map((name) => `/usr/lib/${name}/security/pam_duo.so`)
    .find((path) => existsSync(path));
  if (found === undefined)
    throw new Error("Debian's libpam-duo is not installed: run `scripts/prepare.sh test`");
  return found;
}

/**
 * Writes stacks, configuration and authority. The files belong to the caller: root, where root logs in.
 * @param directory an existing absolute path
 * @param more lines of the configuration
 * @param port of a proxy before the simulator
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
