// The API for reading and trying, drawn from the service's own description.

import { Refusal, get, send, useKey } from './api.js';
import { byId, el, show, table } from './dom.js';
import { example, fieldsOf } from './record.js';
import { fieldsTable, nameOf, typeOf } from './schema.js';

const LONGEST = 20000;
let description;

const follow = one => one?.$ref ? one.$ref.slice(2).split('/').reduce((at, key) => at?.[key], description) : one;

// A body to start from: a record with ordinary values, alone or in a list.
const sample = (media, schema) => {
  if (media !== 'application/json') return '';
  const record = example(fieldsOf(follow({ $ref: '#/components/schemas/Record' })));
  const body = nameOf(schema) === 'Record' ? record : { records: [record] };
  return JSON.stringify(body, null, 2);
};

const pretty = ({ type, text }) => {
  const shown = /json/.test(type) ? JSON.stringify(JSON.parse(text), null, 2) : text;
  return shown.length > LONGEST ? `${shown.slice(0, LONGEST)}\n… ${shown.length - LONGEST} more characters` : shown;
};

const field = (id, label, control) => el('div', { class: 'field' }, el('label', { for: id }, label), control);

// A form that sends the request and shows what comes back, whatever it is.
const tryIt = (method, path, operation) => {
  const id = operation.operationId;
  const parameters = (operation.parameters ?? []).map(follow);
  const inputs = parameters.map(parameter => {
    const own = `${id}-${parameter.name}`;
    const choices = parameter.schema.enum;
    const control = choices ? el('select', { id: own }, choices.map(one => el('option', null, one))) : el('input', { id: own, type: 'text', autocomplete: 'off' });
    return { parameter, control, shown: field(own, parameter.name, control) };
  });
  const bodies = Object.entries(operation.requestBody?.content ?? {}).filter(([media]) => /json|csv/.test(media));
  const media = el('select', { id: `${id}-media` }, bodies.map(([name]) => el('option', null, name)));
  const body = el('textarea', { id: `${id}-body`, spellcheck: 'false', rows: 10 });
  const refill = () => { body.value = bodies.length ? sample(media.value, operation.requestBody.content[media.value].schema) : ''; };
  media.addEventListener('change', refill);
  refill();
  const answer = el('div', { role: 'status', 'aria-live': 'polite' });
  const submit = async event => {
    event.preventDefault();
    const value = name => inputs.find(one => one.parameter.name === name).control.value;
    const filled = path.slice(1).replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(value(name)));
    const query = parameters.filter(one => one.in === 'query').map(one => `${one.name}=${encodeURIComponent(value(one.name))}`).join('&');
    try {
      const options = bodies.length ? { body: body.value, type: media.value } : {};
      const got = await send(method.toUpperCase(), (filled || '.') + (query && `?${query}`), options);
      show(answer, el('p', null, el('strong', null, String(got.status)), ` ${got.type}`), el('pre', { tabindex: 0 }, pretty(got)));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      show(answer, el('p', { class: 'error' }, `${error.message}.`));
    }
  };
  return el('form', { class: 'try', onsubmit: submit }, inputs.map(one => one.shown),
    bodies.length > 0 && field(media.id, 'Content type', media), bodies.length > 0 && field(body.id, 'Body', body),
    el('p', null, el('button', null, 'Send')), answer);
};

const contentOf = content => Object.entries(content ?? {}).flatMap(([media, { schema }], at) => [at ? el('br') : '', el('code', null, media), ' ', typeOf(schema)]);

const drawn = ([path, methods]) => Object.entries(methods).map(([method, operation]) => {
  const responses = Object.entries(operation.responses).map(([code, one]) => [code, follow(one)]);
  const parameters = (operation.parameters ?? []).map(follow);
  return el('details', { class: 'operation', id: `route-${operation.operationId}` },
    el('summary', null, el('span', { class: 'method' }, method.toUpperCase()), el('code', null, path),
      operation.security && el('span', { class: 'lock' }, 'key'), el('span', { class: 'hint' }, operation.summary)),
    operation.description && el('p', null, operation.description),
    parameters.length > 0 && table('Parameters', [['Name'], ['In'], ['Type'], ['Meaning']],
      parameters.map(one => ({ cells: [el('code', null, one.name), one.in, typeOf(one.schema), one.description ?? ''] }))),
    operation.requestBody && el('p', null, 'Takes ', contentOf(operation.requestBody.content)),
    table('Answers', [['Code'], ['Meaning'], ['Body']], responses.map(([code, one]) => ({ cells: [code, one.description, contentOf(one.content)] }))),
    el('h3', null, 'Try it'), tryIt(method, path, operation));
});

const start = async () => {
  try {
    description = await get('openapi.json');
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    byId('about').textContent = `There is no description: ${error.message}.`;
    return;
  }
  byId('about').textContent = description.info.description;
  const paths = Object.entries(description.paths);
  byId('key-form').hidden = !paths.some(([, methods]) => Object.values(methods).some(one => one.security));
  byId('key-form').addEventListener('submit', event => event.preventDefault());
  byId('key').addEventListener('input', event => useKey(event.target.value));
  const posts = ([, methods]) => methods.post ? 0 : 1;
  show(byId('operations'), paths.sort((a, b) => posts(a) - posts(b)).map(drawn));
  const named = Object.entries(description.components.schemas);
  show(byId('named'), named.map(([name, schema]) => [el('h3', { id: `schema-${name}` }, el('code', null, name)),
    schema.description && el('p', null, schema.description), fieldsTable(name, schema)]));
};

await start();
