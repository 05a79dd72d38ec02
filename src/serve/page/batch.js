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
    const failed = rows.filter(row => row[column('error')]);
    const levels = new Map();
    for (const row of rows) {
      const level = row[column('risk_level')];
      if (level) levels.set(level, (levels.get(level) ?? 0) + 1);
    }
    const summary = [`${rows.length} ${rows.length === 1 ? 'record' : 'records'}`, `${failed.length} not scored`,
      ...[...levels].map(([level, count]) => `${level}: ${count}`)].join(' · ');
    show(byId('batch-status'), el('p', { class: 'told' }, summary));
    const shown = header.map((title, at) => ({ title, at }))
      .filter(({ title, at }) => title === 'error' || (!HIDDEN.has(title) && rows.some(row => row[at] !== '')));
    const lines = [...failed, ...rows.filter(row => !row[column('error')])];
    const cell = value => value !== '' && Number.isFinite(Number(value)) ? brief(Number(value)) : value;
    const line = row => ({
      kind: row[column('error')] ? 'failed' : undefined,
      cells: [String(rows.indexOf(row) + 1), ...shown.map(({ title, at }) => title === 'id' ? row[at] : cell(row[at]))],
    });
    const numeric = ({ title, at }) => title !== 'id' && rows.some(row => row[at] !== '')
      && rows.every(row => row[at] === '' || Number.isFinite(Number(row[at])));
    const columns = [['Row', 'number'], ...shown.map(one => [human(one.title), numeric(one) ? 'number' : undefined])];
    const caption = lines.length > SHOWN ? `The first ${SHOWN} of ${lines.length} rows, those not scored first` : 'Every row, those not scored first';
    show(byId('batch-result'),
      el('button', { type: 'button', id: 'download', onclick: () => download(name.replace(/(\.csv)?$/i, '.scored.csv'), 'text/csv', text) }, 'Download the results'),
      table(caption, columns, lines.slice(0, SHOWN).map(line)));
  }
}
