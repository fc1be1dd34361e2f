/** The script that draws README's picture, in the private machine that it would make itself. */
import { spawnSync } from 'node:child_process';
import test from 'ava';

test('a login with ssh and sudo is recorded and drawn', (t) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/picture.ts'], {
    encoding: 'utf8',
    env: { ...process.env, DUO_TS_PICTURE: 'yes' },
  });
  t.is(status, 0, stderr);
  const svg = stdout.slice(stdout.indexOf('<svg'));
  t.regex(svg, />ssh alice@web1<[\s\S]*>628731<[\s\S]*>sudo id -un<[\s\S]*>root<\/tspan>/);
  t.is(svg.match(/Successful Duo login for 'alice'/g)?.length, 2);
  t.notRegex(svg, /correct horse/);
});
