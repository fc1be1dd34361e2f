/** The Auth API v2: the service's answers in JSON. */
import { logo } from './logo.ts';
import type { Service } from './service.ts';
import { serveCalls, type Wire } from './wire.ts';

const JSON_WIRE: Wire = {
  suffix: '',
  contentType: 'application/json',
  dated: true,
  encode: (envelope) => JSON.stringify(envelope),
};

/** The calls below `/auth/v2`. */
export function authApi(service: Service) {
  return serveCalls(service, JSON_WIRE, [
    { method: 'GET', name: 'ping', unsigned: true, answer: () => service.time() },
    { method: 'GET', name: 'check', answer: () => service.time() },
    { method: 'POST', name: 'preauth', answer: (form) => service.preauth(form) },
    { method: 'POST', name: 'auth', answer: (form) => service.auth(form) },
    { method: 'GET', name: 'auth_status', answer: (form) => service.authStatus(form) },
    { method: 'POST', name: 'enroll', answer: (form) => service.enrolments.begin(form) },
    { method: 'POST', name: 'enroll_status', answer: (form) => service.enrolments.status(form) },
    { method: 'GET', name: 'logo', answer: logo },
  ]);
}
