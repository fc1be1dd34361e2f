/** A signed repository that apt accepts, of the packages in a directory. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Writes Packages, Release, InRelease and the public key `pam-duo-ts.asc` into the directory.
 * @param key of gpg's keyring
 * @throws Error when a program fails
 */
export function makeRepository(directory: string, key: string): void {
  const output = (program: string, ...args: string[]) =>
    execFileSync(program, args, { cwd: directory, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  writeFileSync(join(directory, 'Packages'), output('apt-ftparchive', 'packages', '.'));
  const origin = [
    '-o',
    'APT::FTPArchive::Release::Origin=pam_duo_ts',
    '-o',
    'APT::FTPArchive::Release::Suite=stable',
  ];
  writeFileSync(join(directory, 'Release'), output('apt-ftparchive', ...origin, 'release', '.'));
  const gpg = ['--batch', '--yes', '--local-user', key];
  output('gpg', ...gpg, '--clearsign', '--output', 'InRelease', 'Release');
  writeFileSync(join(directory, 'pam-duo-ts.asc'), output('gpg', '--armor', '--export', key));
  process.stdout.write(`package: signed the repository ${directory}\n`);
}
