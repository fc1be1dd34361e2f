/** Duo's own npm client tests the simulator. It is independent code. */
import https from 'node:https';
import { createRequire } from 'node:module';
import test from 'ava';
import { EXAMPLE_APPLICATION, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';

interface Reply {
  readonly stat: string;
  readonly code?: number;
  readonly response?: Record<string, unknown>;
}
interface OfficialClient {
  jsonApiCall(method: string, path: string, params: object, callback: (reply: Reply) => void): void;
}
const require = createRequire(import.meta.url);
const {
  Client,
}: { Client: new (ikey: string, skey: string, host: string, version: number) => OfficialClient } =
  require('@duosecurity/duo_api');
const constants: { DUO_PINNED_CERT: string } = require('@duosecurity/duo_api/lib/constants.js');

/** Duo's client always calls port 443 and trusts its own authorities: both are replaced here. */
function clientOf({ port, ca, host }: Simulator, version: number, skey = EXAMPLE_APPLICATION.skey) {
  Object.assign(https.globalAgent, { defaultPort: port });
  constants.DUO_PINNED_CERT = ca;
  const client = new Client(EXAMPLE_APPLICATION.ikey, skey, host, version);
  return (method: string, path: string, params: object = {}) =>
    new Promise<Reply>((resolve) => client.jsonApiCall(method, path, params, resolve));
}

for (const version of [2, 5]) {
  test.serial(`Duo's client works when it signs with version ${version}`, async (t) => {
    const simulator = await startSimulator({ users: { alice: { phone: 'approve', passcodes: ['123456'] } } });
    const call = clientOf(simulator, version);
    t.is((await call('GET', '/auth/v2/ping')).stat, 'OK');
    t.is((await call('GET', '/auth/v2/check')).stat, 'OK');
    const preauth = await call('POST', '/auth/v2/preauth', { username: 'alice', ipaddr: '::1 (né)' });
    t.is(preauth.response?.['result'], 'auth');
    t.like(preauth.response?.['devices'], [
      { type: 'phone', capabilities: ['auto', 'push', 'sms', 'phone'] },
    ]);
    const passcode = { username: 'alice', factor: 'passcode', passcode: '123456' };
    t.like(await call('POST', '/auth/v2/auth', passcode), { stat: 'OK', response: { result: 'allow' } });
    t.like(await call('POST', '/auth/v2/auth', passcode), { stat: 'OK', response: { result: 'deny' } });
    const push = await call('POST', '/auth/v2/auth', {
      username: 'alice',
      factor: 'auto',
      device: 'auto',
      async: '1',
    });
    const txid = push.response?.['txid'];
    for (;;) {
      const { response } = await call('GET', '/auth/v2/auth_status', { txid });
      if (response?.['result'] === 'waiting') continue;
      t.is(response?.['result'], 'allow');
      break;
    }
    await simulator.close();
  });

  test.serial(`Duo's client enrols a user with version ${version}`, async (t) => {
    const simulator = await startSimulator({ users: {} });
    const call = clientOf(simulator, version);
    const { response } = await call('POST', '/auth/v2/enroll', { username: 'nina', valid_secs: '60' });
    const { user_id, activation_code } = response ?? {};
    const status = async () =>
      String((await call('POST', '/auth/v2/enroll_status', { user_id, activation_code })).response);
    t.is(await status(), 'waiting');
    t.true(simulator.service.enrolments.activate(String(activation_code)));
    t.is(await status(), 'success');
    t.like(await call('POST', '/auth/v2/preauth', { user_id }), { response: { result: 'auth' } });
    t.like(await call('POST', '/auth/v2/enroll', { username: 'nina' }), { stat: 'FAIL', code: 40003 });
    await simulator.close();
  });

  test.serial(`invalid requests of Duo's client are refused with version ${version}`, async (t) => {
    const simulator = await startSimulator();
    const wrong = clientOf(simulator, version, 'x'.repeat(40));
    t.like(await wrong('GET', '/auth/v2/check'), { stat: 'FAIL', code: 40103 });
    const call = clientOf(simulator, version);
    t.like(await call('POST', '/auth/v2/preauth', {}), { stat: 'FAIL', code: 40001 });
    t.like(await call('POST', '/auth/v2/auth', { username: 'alice', factor: 'nose', device: 'auto' }), {
      code: 40002,
    });
    t.like(await call('GET', '/auth/v2/auth_status', { txid: 'nobody' }), { code: 40002 });
    t.like(await call('GET', '/auth/v2/nothing'), { code: 40401 });
    t.like(await call('GET', '/nothing'), { code: 40401 });
    await simulator.close();
  });
}
