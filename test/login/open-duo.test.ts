/** From a configuration's text to a call that Duo gets. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { parseConfig } from '../../src/config/config.ts';
import { openDuo } from '../../src/login/open-duo.ts';
import { never, simulatorFor } from '../lib/service.ts';

for (const [program, name] of [
  ['pam', 'pam_duo_ts'],
  ['login_duo', 'login_duo_ts'],
] as const) {
  test(`${program} says who it is, and what its configuration says is what is done`, async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'pam-duo-ts-open-'));
    t.teardown(() => rmSync(directory, { recursive: true }));
    const simulator = await simulatorFor(t);
    const ca = join(directory, 'ca.pem');
    writeFileSync(ca, simulator.ca);
    const open = async (more = '') => {
      const parsed = parseConfig(simulator.config(ca, more), { path: 'F', program });
      if (!parsed.ok) throw new Error(parsed.notices.map(({ text }) => text).join());
      const duo = await openDuo(parsed.config, () => {}, program);
      t.teardown(() => duo.close());
      return duo;
    };
    await (await open()).ping(never);
    const agent = /^(\w+)\/\d+\.\d+\.\d+\S* \(\w+-linux\) libduo\/\d+\.\d+\.\d+\S*$/;
    t.is(agent.exec(simulator.service.calls[0]?.userAgent ?? '')?.[1], name);
    t.is(
      (await (await open()).preauth({ username: 'bob', failmode: 'open', verifiedPush: false }, never))
        .result,
      'allow',
    );
    await t.throwsAsync(
      (await open('skey = wrong')).preauth({ username: 'bob', failmode: 'open', verifiedPush: false }, never),
      {
        message: 'Invalid ikey or skey',
      },
    );
    await (await open(`cafile = ${directory}/none\nnoverify = yes`)).ping(never);
    const other = join(directory, 'other.pem');
    writeFileSync(other, (await simulatorFor(t)).ca);
    await t.throwsAsync((await open(`cafile = ${other}`)).ping(never), {
      message: /certificate verify failed$/,
    });
    await t.throwsAsync((await open('http_proxy = 127.0.0.1:9')).ping(never), {
      message: /Failed to connect$/,
    });
  });
}
