// Requests to the service that the page came from. Addresses are relative, so that it works behind a path of a proxy.

let key = '';

// The key lives in this variable only: no storage, no cookie, no address.
export const useKey = text => { key = text.trim(); };

// What came back instead of a result.
export class Refusal extends Error {
  constructor(status, body) {
    super(body?.message ?? (status ? `the service answered ${status}` : 'the service cannot be reached'));
    this.status = status;
    this.errors = body?.errors ?? [];
    this.request = body?.request_id;
  }
}

// The answer's status, content type and text, whatever they are.
export const send = async (method, path, { body, type, accept } = {}) => {
  const headers = {};
  if (key) headers['x-api-key'] = key;
  if (type) headers['content-type'] = type;
  if (accept) headers.accept = accept;
  let response;
  try {
    response = await fetch(path, { method, headers, body, credentials: 'omit', cache: 'no-store' });
  } catch {
    throw new Refusal(0);
  }
  const text = await response.text();
  return { status: response.status, ok: response.ok, type: response.headers.get('content-type') ?? '', text };
};

// The text of a success; anything else is thrown.
export const ask = async (method, path, options) => {
  const answer = await send(method, path, options);
  if (answer.ok) return answer.text;
  let body;
  try {
    body = JSON.parse(answer.text);
  } catch {
    body = undefined;
  }
  if (answer.status === 401) dispatchEvent(new CustomEvent('key-needed', { detail: body?.message }));
  throw new Refusal(answer.status, body);
};

export const get = async path => JSON.parse(await ask('GET', path));

export const post = async (path, body) =>
  JSON.parse(await ask('POST', path, { body: JSON.stringify(body), type: 'application/json' }));
