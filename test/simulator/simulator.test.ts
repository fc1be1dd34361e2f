import { once } from 'node:events';
import { connect } from 'node:tls';
import test from 'ava';
import { parseConfig } from '../../src/config/config.ts';
import { EXAMPLE_APPLICATION, startSimulator } from '../../src/simulator/simulator.ts';
import { clientFor, never, simulatorFor } from '../lib/service.ts';

test('it writes a configuration for clients', async (t) => {
  const simulator = await simulatorFor(t, { names: ['api.example.test'] });
  const text = simulator.config('/etc/duo/ca.pem', 'failmode = secure');
  const parsed = parseConfig(text, { path: '/etc/duo/pam_duo.conf', program: 'pam' });
  t.like(parsed, {
    ok: true,
    notices: [],
    config: {
      host: 'api.example.test',
      port: simulator.port,
      ikey: EXAMPLE_APPLICATION.ikey,
      cafile: '/etc/duo/ca.pem',
      failmode: 'secure',
    },
  });
  t.true(parsed.ok && parsed.config.skey?.reveal() === EXAMPLE_APPLICATION.skey);
});

test('it uses the keys and the users it was given', async (t) => {
  const simulator = await simulatorFor(t, { names: ['api.example.test'] });
  const socket = connect({
    host: '127.0.0.1',
    port: simulator.port,
    servername: 'api.example.test',
    ca: simulator.ca,
  });
  await once(socket, 'secureConnect');
  t.true(socket.authorized);
  socket.destroy();
});

test('two simulators share no state', async (t) => {
  const one = await simulatorFor(t, { users: { alice: { passcodes: ['123456'] } } });
  const other = await simulatorFor(t, { users: { alice: {} } });
  t.not(one.port, other.port);
  t.not(one.ca, other.ca);
  const { client } = clientFor(other);
  t.is((await client.auth({ username: 'alice', factor: '123456' }, never)).result, 'deny');
  t.is(one.service.calls.length, 0);
});

test('invalid users are refused', async (t) => {
  await t.throwsAsync(startSimulator({ users: { alice: { passcodes: ['secret'] } } }));
});

test('closing it ends pending requests', async (t) => {
  const simulator = await startSimulator();
  const { client } = clientFor(simulator);
  await client.ping(never);
  const called = once(simulator.service, 'call');
  const waiting = t.throwsAsync(client.auth({ username: 'alice', factor: 'push1' }, never));
  await called;
  const page = await fetch(new URL('/events', simulator.phoneUrl));
  await simulator.close();
  await waiting;
  await t.throwsAsync(page.text());
});
