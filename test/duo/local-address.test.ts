import { isIP } from 'node:net';
import test from 'ava';
import { localAddress } from '../../src/duo/local-address.ts';

test('the local address is an IP address or undefined', async (t) => {
  const address = await localAddress();
  t.true(address === undefined || isIP(address) !== 0);
});
