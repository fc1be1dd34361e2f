/** Parameters of a call, and how Duo refuses them. */

export type Form = Readonly<Record<string, string>>;

/** A reply that fails, in Duo's terms. The HTTP status is the first three digits of the code. */
export class ApiFailure extends Error {
  readonly code: number;
  readonly detail: string;

  constructor(code: number, message: string, detail = '') {
    super(message);
    this.code = code;
    this.detail = detail;
  }
}

/** The failure that says which parameter is wrong. */
export function invalid(parameter: string): ApiFailure {
  return new ApiFailure(40002, 'Invalid request parameters', parameter);
}

/** @throws ApiFailure when the parameter is missing or empty */
export function required(form: Form, name: string): string {
  const value = form[name];
  if (value === undefined || value === '')
    throw new ApiFailure(40001, 'Missing required request parameters', name);
  return value;
}
