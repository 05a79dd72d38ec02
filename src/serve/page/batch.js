// Many records from a CSV file: sent as it is, answered as CSV, shown, and offered for download unchanged.

import { ask, Refusal } from './api.js';
import { brief, byId, download, el, human, show, table } from './dom.js';
import { used } from './record.js';

const SHOWN = 200;
const HIDDEN = new Set(['threshold', 'threshold_version', 'model_version']);

// The rows of a CSV text (RFC 4180).
export const parseCsv = text => {
  const rows = [];
  let row = [];
  let cell = '';
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const letter = text[at];
    if (quoted) {
      if (letter !== '"') cell += letter;
      else if (text[at + 1] === '"') cell += text[at += 1];
      else quoted = false;
    } else if (letter === '"') quoted = true;
    else if (letter === ',') cell = (row.push(cell), '');
    else if (letter === '\n') {
      row.push(cell.replace(/\r$/, ''));
      rows.push(row);
      [row, cell] = [[], ''];
    } else cell += letter;
  }
  if (cell !== '' || row.length > 0) rows.push([...row, cell]);
  return rows;
};

export class Batch {
  constructor(fields, about) {
    this.about = about;
    this.input = byId('batch-file');
    byId('batch-form').addEventListener('submit', event => {
      event.preventDefault();
      this.#send(event.submitter ?? event.target.querySelector('button'));
    });
    const header = [...fields.filter(used), ...fields.filter(field => !used(field))].map(field => field.name).join(about.delimiter);
    byId('template').addEventListener('click', () => download('records.csv', 'text/csv', `${header}\n`));
  }

  async #send(button) {
    const [file] = this.input.files;
    const status = byId('batch-status');
    show(byId('batch-result'));
    if (!file) {
      show(status, el('p', { class: 'error' }, 'Choose a file first.'));
      this.input.focus();
      return;
    }
    show(status, el('p', null, `Scoring ${file.name} …`));
    button.disabled = true;
    try {
      // As bytes: a file is never pulled through text that might change it.
      const text = await ask('POST', 'predict/batch?answer=full', { body: await file.arrayBuffer(), type: 'text/csv', accept: 'text/csv' });
      this.#show(file.name, text);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      show(status, el('div', { class: 'box bad' }, el('p', null, `The file was not scored: ${error.message}.`),
        el('ul', null, error.errors.map(one => el('li', null, one.field ? `${one.field}: ${one.message}` : one.message)))));
    } finally {
      button.disabled = false;
    }
  }

  #show(name, text) {
    const [header = [], ...rows] = parseCsv(text);
    const column = wanted => header.indexOf(wanted);
    const numbered = rows.map((row, at) => ({ row, number: String(at + 1) }));
    const faults = numbered.filter(({ row }) => row[column('error')]);
    const scored = numbered.filter(({ row }) => !row[column('error')]);
    const levels = new Map();
    for (const row of rows) {
      const level = row[column('risk_level')];
      if (level) levels.set(level, (levels.get(level) ?? 0) + 1);
    }
    const summary = [`${rows.length} ${rows.length === 1 ? 'record' : 'records'}`, `${faults.length} not scored`,
      ...this.about.levels.filter(({ name }) => levels.has(name)).map(({ name }) => `${name}: ${levels.get(name)}`)].join(' · ');
    show(byId('batch-status'), el('p', { class: 'told' }, summary));
    const shown = header.map((title, at) => ({ title, at }))
      .filter(({ title, at }) => title !== 'error' && !HIDDEN.has(title) && rows.some(row => row[at] !== ''));
    const number = value => value !== '' && Number.isFinite(Number(value));
    const kind = ({ title, at }) => title === 'warnings' ? 'long'
      : title !== 'id' && scored.every(({ row }) => row[at] === '' || number(row[at])) ? 'number' : 'short';
    const columns = [['Row', 'number'], ...shown.map(one => [human(one.title), kind(one)])];
    const line = one => ({ cells: [one.number, ...shown.map(({ title, at }) =>
      title !== 'id' && number(one.row[at]) ? brief(Number(one.row[at])) : one.row[at])] });
    const caption = (name, lines) => lines.length > SHOWN ? `${name}: the first ${SHOWN} of ${lines.length} rows` : name;
    show(byId('batch-result'),
      el('button', { type: 'button', id: 'download', onclick: () => download(name.replace(/(\.csv)?$/i, '.scored.csv'), 'text/csv', text) }, 'Download the results'),
      faults.length > 0 && table(caption('Not scored', faults), [['Row', 'number'], ['Reason']],
        faults.slice(0, SHOWN).map(one => ({ cells: [one.number, one.row[column('error')]] }))),
      scored.length > 0 && table(caption('Scored', scored), columns, scored.slice(0, SHOWN).map(line)));
  }
}
