/** This machine's apt settings, for the systems that tests make. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A line of sources.list for a suite of Debian. */
export function debianSources(suite: string): string {
  const { stdout } = spawnSync(
    'apt-get',
    ['indextargets', '--format', '$(REPO_URI)', 'Origin: Debian', 'Label: Debian'],
    { encoding: 'utf8' },
  );
  return `deb ${stdout.split('\n')[0] || 'http://deb.debian.org/debian'} ${suite} main\n`;
}

/** A file with the proxy and retry settings of this machine's apt. */
export function aptOptions(): string {
  const path = join(mkdtempSync(join(tmpdir(), 'apt-')), 'apt.conf');
  const dump = execFileSync('apt-config', ['dump', 'Acquire'], { encoding: 'utf8' });
  const wanted = /^Acquire::(Check-|Retries|https?::Proxy)/;
  const lines = dump.split('\n').filter((line) => wanted.test(line));
  writeFileSync(path, lines.join('\n'));
  return path;
}
