/** The packages as files: clean for lintian and rpmlint, the same for each build, and what they declare. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import test from 'ava';
import { built } from './built.ts';

function output(program: string, ...args: string[]): string {
  return execFileSync(program, args, { encoding: 'utf8' });
}

function digest(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

test('lintian finds nothing that is not explained', (t) => {
  const { status, stdout, stderr } = spawnSync(
    'lintian',
    ['--allow-root', '--fail-on', 'error,warning,info', ...built(/\.deb$/)],
    {
      encoding: 'utf8',
    },
  );
  t.is(stdout + stderr, '');
  t.is(status, 0);
});

test('AppArmor can load the profiles', (t) => {
  const { status, stderr } = spawnSync(
    'apparmor_parser',
    ['--skip-kernel-load', '--skip-cache', 'packaging/apparmor/duo-ts'],
    { encoding: 'utf8' },
  );
  t.is(status, 0, stderr);
});

test('rpmlint finds nothing that is not explained', (t) => {
  const { status, stdout } = spawnSync(
    'rpmlint',
    ['--config', 'packaging/rpm/rpmlint.toml', ...built(/\.rpm$/)],
    {
      encoding: 'utf8',
    },
  );
  t.regex(stdout, /\b0 errors, 0 warnings\b/);
  t.is(status, 0, stdout);
});

test('a build in another directory, time zone and umask makes the same bytes', (t) => {
  const other = mkdtempSync(join(tmpdir(), 'another-place-'));
  t.teardown(() => {
    execFileSync('umount', [join(other, 'node_modules')]);
    rmSync(other, { recursive: true });
  });
  execFileSync('sh', ['-c', 'git ls-files -z | xargs -0 cp --parents --target-directory "$0"', other]);
  mkdirSync(join(other, 'node_modules'));
  execFileSync('mount', ['--bind', 'node_modules', join(other, 'node_modules')]);
  execFileSync('sh', ['-c', 'umask 077; exec "$0" scripts/package.ts', process.execPath], {
    cwd: other,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      TZ: 'Pacific/Auckland',
      LC_ALL: 'C',
      SOURCE_DATE_EPOCH: output('git', 'log', '-1', '--format=%ct').trim(),
    },
  });
  const made = readdirSync(join(other, 'build/packages'));
  t.is(made.length, 8);
  const ours = built(/(_amd64\.deb|\.x86_64\.rpm)$/);
  t.deepEqual(
    made.map((name) => [name, digest(join(other, 'build/packages', name))]).sort(),
    ours.map((path) => [basename(path), digest(path)]).sort(),
  );
});

for (const [architecture, triplet] of [
  ['amd64', 'x86_64-linux-gnu'],
  ['arm64', 'aarch64-linux-gnu'],
] as const) {
  test(`${architecture}: dependencies, files and the list of contents`, (t) => {
    const [path = ''] = built(new RegExp(`^pam-duo-ts_.*_${architecture}\\.deb$`));
    const field = (name: string) => output('dpkg-deb', '--field', path, name).trim();
    t.is(field('Architecture'), architecture);
    for (const needed of ['libc6', 'libatomic1', 'libpam0g', 'libstdc++6', 'libpam-runtime'])
      t.true(field('Depends').includes(needed), `${needed} in ${field('Depends')}`);
    const files = output('dpkg-deb', '--contents', path);
    t.regex(files, new RegExp(`-rw-r--r-- root/root .* \\./usr/lib/${triplet}/security/pam_duo_ts\\.so\n`));
    t.regex(files, /-rwx--x--x root\/root .* \.\/usr\/libexec\/duo-ts\/duo-ts\n/);
    const read = (name: string) =>
      execFileSync(
        'sh',
        ['-c', 'dpkg-deb --fsys-tarfile "$0" | tar -xO --wildcards "$1*" | zcat -f', path, name],
        {
          encoding: 'utf8',
        },
      );
    t.regex(read('./usr/share/pam-configs/duo-ts'), /^Default: no$/m, 'no stack changes by the installation');
    const bom: { bomFormat: string; components: { name: string; version: string }[] } = JSON.parse(
      read('./usr/share/doc/pam-duo-ts/sbom.cdx.json'),
    );
    t.is(bom.bomFormat, 'CycloneDX');
    const named = bom.components.map(({ name, version }) => `${name} ${version}`);
    t.true(named.includes(`node ${process.versions.node}`));
    t.true(named.some((component) => component.startsWith('axios ')));
    const licences = read('./usr/share/doc/pam-duo-ts/third-party-licences');
    for (const component of named.filter((name) => !name.startsWith('node ')))
      t.true(licences.includes(`\n${component}\n`), component);
  });
}
