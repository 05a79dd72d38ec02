// The form of one record, drawn from the schema, and the service's complaints shown where they belong.

import { byId, el, human, show } from './dom.js';
import { control, example, fieldsOf, hintOf, known, labelOf, nullable, setValue, typical, used, valueOf } from './record.js';

export class RecordForm {
  constructor(schema, training, submitted) {
    this.fields = fieldsOf(schema, training);
    this.inputs = new Map();
    for (const field of this.fields) {
      byId(used(field) ? 'fields' : 'unused-fields').append(this.#draw(field));
    }
    byId('unused').hidden = this.fields.every(used);
    this.history = schema.properties.history ? new History(schema, this) : undefined;
    byId('example').addEventListener('click', () => this.set(example(this.fields)));
    byId('clear').addEventListener('click', () => this.set({}));
    byId('record-form').addEventListener('submit', event => {
      event.preventDefault();
      submitted(this.record());
    });
  }

  #draw(field) {
    const id = `field-${field.name}`;
    const hint = hintOf(field);
    const input = control(field, id, {
      'aria-describedby': `${hint ? `${id}-hint ` : ''}${id}-error`,
      'aria-required': field.required && !nullable(field.property) ? 'true' : undefined,
    });
    this.inputs.set(field.name, input);
    return el('div', { class: 'field' },
      el('label', { for: id }, labelOf(field)), input, this.#slider(field, input),
      hint && el('p', { class: 'hint', id: `${id}-hint` }, hint),
      el('p', { class: 'error', id: `${id}-error` }));
  }

  // A slider over what training saw, for the pointer; the keyboard and readers have the input itself.
  #slider(field, input) {
    const range = field.numeric && !field.levels ? field.seen ?? field.range : undefined;
    if (!range || range[0] === range[1]) return undefined;
    const step = field.whole ? 1 : 10 ** Math.floor(Math.log10((range[1] - range[0]) / 100));
    const [low, high] = field.whole ? range : [Math.floor(range[0] / step) * step, Math.ceil(range[1] / step) * step];
    const slider = el('input', { type: 'range', min: low, max: high, step, tabindex: -1, 'aria-hidden': 'true' });
    slider.value = String(typical(field));
    slider.addEventListener('input', () => { input.value = slider.value; });
    input.addEventListener('input', () => { if (Number.isFinite(Number(input.value))) slider.value = input.value; });
    return slider;
  }

  // What training was like may become known only with a key.
  tell({ seen, ordinary }) {
    for (const field of this.fields) Object.assign(field, known(field.property, seen[field.name], ordinary[field.name]));
  }

  record() {
    const record = {};
    for (const field of this.fields) {
      const value = valueOf(field, this.inputs.get(field.name));
      if (value !== undefined) record[field.name] = value;
    }
    const past = this.history?.rows();
    if (past?.length) record.history = past;
    return record;
  }

  set(record) {
    for (const field of this.fields) {
      const input = this.inputs.get(field.name);
      setValue(field, input, record[field.name]);
      input.dispatchEvent(new Event('input'));
    }
    this.history?.clear();
    this.complain([]);
  }

  // Shows what the service refused at its fields, and all of it above the form; goes to the first.
  complain(errors, message) {
    for (const [name, input] of this.inputs) {
      const own = errors.filter(error => error.field === name);
      mark(input, byId(`field-${name}-error`), own.map(error => error.message).join('; '));
    }
    this.history?.complain(errors);
    const problems = byId('problems');
    problems.hidden = !message;
    if (!message) return show(problems);
    const told = error => {
      const input = this.#inputOf(error.field);
      const text = error.field ? `${human(error.field)}: ${error.message}` : error.message;
      return el('li', null, input ? el('a', { href: `#${input.id}`, onclick: event => { event.preventDefault(); reveal(input); } }, text) : text);
    };
    show(problems, el('p', null, `No prediction: ${message}.`), errors.length > 0 && el('ul', null, errors.map(told)));
    const first = errors.map(error => this.#inputOf(error.field)).find(Boolean);
    reveal(first ?? problems);
  }

  #inputOf(name) {
    return this.inputs.get(name) ?? this.history?.inputOf(name);
  }
}

const reveal = input => {
  const hidden = input.closest('details');
  if (hidden) hidden.open = true;
  input.focus();
};

const mark = (input, place, message) => {
  place.textContent = message;
  if (message) input.setAttribute('aria-invalid', 'true');
  else input.removeAttribute('aria-invalid');
};

// Earlier rows of the same patient, as a flow sheet: a line a field, a column a row.
class History {
  constructor(schema, form) {
    this.form = form;
    const { entity, time } = schema['x-history'] ?? {};
    this.time = time;
    // Whose rows they are is the record's own business.
    this.fields = fieldsOf(schema.properties.history.items).filter(field => used(field) && field.name !== entity);
    this.fields.sort((a, b) => (b.name === time) - (a.name === time));
    this.columns = [];
    this.next = 1;
    byId('history').hidden = false;
    byId('history-help').textContent = 'The model uses how values have developed. Leave this empty for a first row.'
      + (time ? ` Each row must have another, earlier value of “${human(time)}”.` : '');
    byId('history-add').addEventListener('click', () => this.#add());
    this.#draw();
  }

  // A new row starts as a copy of the one before it, at the time before that.
  #add() {
    const before = this.columns.at(-1)?.inputs ?? this.form.inputs;
    const inputs = new Map();
    const number = this.next++;
    for (const field of this.fields) {
      const input = control(field, `history-${number}-${field.name}`, {
        'aria-label': `${human(field.name)}, earlier row ${number}`, 'aria-describedby': `history-${number}-${field.name}-error`,
      });
      const from = before.get(field.name);
      const value = from && valueOf(field, from);
      setValue(field, input, field.name === this.time && Number.isInteger(value) ? value - 1 : value);
      inputs.set(field.name, input);
    }
    this.columns.push({ number, inputs });
    this.#draw();
    inputs.values().next().value?.focus();
  }

  #remove(column) {
    this.columns = this.columns.filter(other => other !== column);
    this.#draw();
    byId('history-add').focus();
  }

  #draw() {
    const head = column => el('th', { scope: 'col' }, `Row ${column.number} `,
      el('button', { type: 'button', class: 'quiet small', 'aria-label': `Remove earlier row ${column.number}`, onclick: () => this.#remove(column) }, 'Remove'));
    const cell = (column, field) => {
      const input = column.inputs.get(field.name);
      return el('td', null, input, el('p', { class: 'error', id: `${input.id}-error` }));
    };
    const table = byId('history-table');
    table.className = 'field-table';
    table.hidden = this.columns.length === 0;
    show(table, el('thead', null, el('tr', null, el('th', { scope: 'col' }, 'Field'), this.columns.map(head))),
      el('tbody', null, this.fields.map(field => el('tr', null,
        el('th', { scope: 'row' }, human(field.name), field.unit && ` (${field.unit})`), this.columns.map(column => cell(column, field))))));
  }

  rows() {
    const value = (field, input) => [field.name, valueOf(field, input)];
    return this.columns.map(({ inputs }) => Object.fromEntries(
      this.fields.map(field => value(field, inputs.get(field.name))).filter(([, value]) => value !== undefined)));
  }

  clear() {
    this.columns = [];
    this.#draw();
  }

  // `history.1.bmi` is the second row's.
  inputOf(name) {
    const [, row, field] = /^history\.(\d+)(?:\.(.+))?$/.exec(name) ?? [];
    const inputs = this.columns[row]?.inputs;
    return inputs?.get(field) ?? inputs?.values().next().value;
  }

  complain(errors) {
    for (const [at, { inputs }] of this.columns.entries()) {
      for (const [name, input] of inputs) {
        const own = errors.filter(error => error.field === `history.${at}.${name}`);
        mark(input, byId(`${input.id}-error`), own.map(error => error.message).join('; '));
      }
    }
  }
}
