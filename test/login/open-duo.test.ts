/** From the text of a configuration to a request that Duo receives. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TlsOptions } from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import { parseConfig } from '../../src/config/config.ts';
import type { DuoApi } from '../../src/duo/api.ts';
import { openDuo } from '../../src/login/open-duo.ts';
import { httpReply, tlsServerFor } from '../lib/raw-server.ts';
import { never, simulatorFor } from '../lib/service.ts';

/** A service with these versions of TLS, and a client for it with these lines. */
async function serviceWith(t: ExecutionContext, versions: TlsOptions) {
  const directory = mkdtempSync(join(tmpdir(), 'pam-duo-ts-tls-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const cafile = join(directory, 'ca.pem');
  const server = await tlsServerFor(
    t,
    (socket) => socket.write(httpReply('{"stat":"OK","response":{"result":"allow","status_msg":""}}')),
    versions,
  );
  writeFileSync(cafile, server.ca);
  const open = async (lines: string) => {
    const base = `host = localhost:${server.port}\nikey = DI\nskey = never-to-be-seen\n`;
    const parsed = parseConfig(`${base}${lines.replace('CA', cafile)}\n`, { path: 'F', program: 'pam' });
    if (!parsed.ok) throw new Error(parsed.notices.map(({ text }) => text).join());
    const duo = await openDuo(parsed.config, () => {}, 'pam');
    t.teardown(() => duo.close());
    return duo;
  };
  return { server, open };
}

/** The first call of a private engine's login. */
const ask = (duo: DuoApi) => duo.preauth({ username: 'bob', failmode: 'open', verifiedPush: false }, never);

test('min_tls = 1.3 refuses a server with TLS 1.2 only, and min_tls = 1.2 accepts it', async (t) => {
  const old = await serviceWith(t, { maxVersion: 'TLSv1.2' });
  await t.throwsAsync(ask(await old.open('cafile = CA\nmin_tls = 1.3')), {
    code: 'ERR_DUO_CONNECTION',
    message: /: SSL handshake failed \(.*protocol version\)$/,
  });
  t.deepEqual(old.server.requests, []);
  await ask(await old.open('cafile = CA\nmin_tls = TLSv1.2'));
  const modern = await serviceWith(t, { minVersion: 'TLSv1.3' });
  await ask(await modern.open('cafile = CA\nmin_tls = 1.3'));
});

test('TLS 1.1 is always refused', async (t) => {
  const ancient = await serviceWith(t, {
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT:@SECLEVEL=0',
  });
  for (const lines of ['cafile = CA', 'noverify = yes', 'cafile = CA\nmin_tls = 1.2']) {
    await t.throwsAsync(ask(await ancient.open(lines)), { message: /: SSL handshake failed \(/ });
  }
});

test("the User-Agent says whether the authorities are Duo's own", async (t) => {
  for (const [lines, pinning] of [
    ['noverify = yes', 'enabled'],
    ['cafile = CA', 'enabled'],
    ['noverify = yes\ndisable_ca_pinning = yes', 'disabled'],
  ]) {
    const { server, open } = await serviceWith(t, {});
    await ask(await open(lines ?? ''));
    const [, agent] = /^User-Agent: (.*)$/im.exec(server.requests[0] ?? '') ?? [];
    t.regex(
      agent ?? '',
      new RegExp(`^pam_duo_ts/\\S+ \\(\\S+\\) libduo/\\S+ ca_bundle/1\\.0 \\(ca_pinning=${pinning}\\)$`),
    );
  }
});

for (const [program, name] of [
  ['pam', 'pam_duo_ts'],
  ['login_duo', 'login_duo_ts'],
] as const) {
  test(`${program} has its own User-Agent and uses its configuration`, async (t) => {
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
    const askWith = async (more?: string) => ask(await open(more));
    const duo = await open();
    await duo.ping(never);
    t.deepEqual(simulator.service.calls, []);
    t.is((await askWith()).result, 'allow');
    const agent =
      /^(\w+)\/\d+\.\d+\.\d+\S* \(\w+-linux\) libduo\/\d+\.\d+\.\d+\S* ca_bundle\/1\.0 \(ca_pinning=enabled\)$/;
    t.is(agent.exec(simulator.service.calls[0]?.userAgent ?? '')?.[1], name);
    await t.throwsAsync(askWith('skey = wrong'), { message: 'Invalid ikey or skey' });
    t.is((await askWith(`cafile = ${directory}/none\nnoverify = yes`)).result, 'allow');
    const other = join(directory, 'other.pem');
    writeFileSync(other, (await simulatorFor(t)).ca);
    await t.throwsAsync(askWith(`cafile = ${other}`), {
      message: /certificate verify failed$/,
    });
    await t.throwsAsync(askWith('http_proxy = 127.0.0.1:9'), {
      message: /Failed to connect$/,
    });
  });
}
