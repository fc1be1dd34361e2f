/** A name server, until it is killed: `name-server.ts OPTIONS`, which are JSON. Writes a line when it listens. */
import * as v from 'valibot';
import { startNameServer } from '../lib/name-server.ts';

const Behaviour = v.union([v.literal('silent'), v.number(), v.array(v.string())]);
const Options = v.object({
  host: v.string(),
  port: v.number(),
  udp: Behaviour,
  tcp: v.exactOptional(Behaviour),
});

await startNameServer(v.parse(v.pipe(v.string(), v.parseJson(), Options), process.argv[2]));
process.stdout.write('listening\n');
