/**
 * A simulated Duo on this machine: the Auth API and the older REST API over TLS, and a phone page to answer
 * requests.
 */
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import * as v from 'valibot';
import { type Clock, systemClock } from '../lib/clock.ts';
import { authApi } from './auth-api.ts';
import { type CertificateKind, makeCertificates } from './certificates.ts';
import { legacyApi } from './legacy.ts';
import { phonePage } from './phone.ts';
import { Service } from './service.ts';
import type { Application } from './signature.ts';
import { EXAMPLE_USERS, Users, type UsersInput } from './users.ts';

/** The application for clients of the simulator. Its keys are valid nowhere else. */
export const EXAMPLE_APPLICATION: Application = {
  ikey: 'DISIMULATED000000000',
  skey: 'this-is-no-secret-of-anybodys-at-all-000',
  name: 'UNIX Application',
};

export interface SimulatorOptions {
  readonly address?: string;
  /** 0: any free port. */
  readonly port?: number;
  readonly phonePort?: number;
  readonly users?: UsersInput;
  readonly application?: Application;
  readonly certificate?: CertificateKind;
  /** Names of the certificate beside `localhost`. */
  readonly names?: readonly string[];
  readonly clock?: Clock;
}

export interface Simulator {
  readonly service: Service;
  readonly host: string;
  readonly port: number;
  /** PEM of the authority for clients. */
  readonly ca: string;
  readonly phoneUrl: string;
  /** A pam_duo.conf for it, followed by `more`; `at`: the port of a proxy before it. */
  config(cafile: string, more?: string, at?: number): string;
  close(): Promise<void>;
}

/** Starts listening. */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const { address = '127.0.0.1', application = EXAMPLE_APPLICATION, clock = systemClock } = options;
  const service = new Service(application, v.parse(Users, options.users ?? EXAMPLE_USERS), clock);
  const names = [...(options.names ?? []), 'localhost'];
  const { ca, cert, key } = await makeCertificates(
    options.certificate ?? 'good',
    names,
    [address, '127.0.0.1', '::1'],
    Date.now(),
  );
  const calls = new Hono()
    .route('/auth/v2', authApi(service))
    .route('/rest/v1', legacyApi(service))
    .notFound((c) => c.json({ stat: 'FAIL', code: 40401, message: 'Resource not found' }, 404));
  const api = createAdaptorServer({
    fetch: calls.fetch,
    createServer,
    serverOptions: { cert, key, requestTimeout: 0 },
  }) as Server;
  const phone = createAdaptorServer({
    fetch: phonePage(service).fetch,
    createServer: createHttpServer,
    overrideGlobalObjects: false,
  }) as Server;
  const port = await listen(api, options.port ?? 0, address);
  const phonePort = await listen(phone, options.phonePort ?? 0, address);
  const host = names[0] ?? 'localhost';
  return {
    service,
    host,
    port,
    ca,
    phoneUrl: `http://${address}:${phonePort}/`,
    config: (cafile, more = '', at = port) =>
      `[duo]\nhost = ${host}:${at}\nikey = ${application.ikey}\nskey = ${application.skey}\ncafile = ${cafile}\n${more}\n`,
    close: async () => {
      for (const transaction of service.transactions.values()) transaction.stop();
      await Promise.all([shut(api), shut(phone)]);
    },
  };
}

async function listen(server: Server, port: number, address: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject).listen(port, address, resolve);
  await promise;
  return (server.address() as AddressInfo).port;
}

async function shut(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  if ('closeAllConnections' in server && typeof server.closeAllConnections === 'function') {
    server.closeAllConnections();
  }
  await promise;
}
