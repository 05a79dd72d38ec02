// Starts the page: reads what is served, then answers the form.

import { get, post, Refusal, useKey } from './api.js';
import { Batch } from './batch.js';
import { byId, el, human, show } from './dom.js';
import { RecordForm } from './form.js';
import { banner, card, describe } from './model.js';
import { result } from './result.js';
import { reasons } from './waterfall.js';
import { WhatIf } from './whatif.js';

// What is known of the model; filled in when the service tells.
const about = { outcome: '', levels: [], range: undefined, training: { seen: {}, ordinary: {} }, delimiter: ',', disclaimer: undefined };
let form;
let whatIf;
// The last answer, to draw it anew when the window changes.
let last;

const width = () => Math.max(240, Math.min(byId('result').clientWidth, 560));

const draw = () => {
  if (!last) return;
  show(byId('answer'), result(last, about, width()));
  reasons(byId('reasons'), last.explanations);
};

// The explanation has the answer in it; where it is not to be had, the answer alone will do.
const answerOf = async record => {
  try {
    return await post('explain?answer=full', record);
  } catch (error) {
    if (!(error instanceof Refusal) || [0, 401, 413, 422, 429].includes(error.status)) throw error;
    return post('predict?answer=full', record);
  }
};

const predict = async record => {
  const button = byId('predict');
  button.disabled = true;
  byId('waiting').hidden = true;
  try {
    last = await answerOf(record);
    form.complain([]);
    draw();
    await whatIf.start(record);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    last = undefined;
    show(byId('answer'), el('p', { class: 'error' }, 'No prediction.'));
    show(byId('reasons'));
    const request = error.status >= 500 && error.request ? ` (request ${error.request})` : '';
    form.complain(error.errors, error.message + request);
  } finally {
    button.disabled = false;
  }
};

// What asks for a key is asked again once there is one.
const learn = async () => {
  try {
    const [info, config] = await Promise.all([get('model/info'), get('config')]);
    Object.assign(about, {
      outcome: info.outcome, range: info.range ?? undefined, delimiter: info.csv_delimiter, levels: config.risk_levels,
      training: { seen: info.seen ?? {}, ordinary: info.typical ?? {} },
      disclaimer: config.answer_profile.disclaimer,
    });
    about.event = info.threshold !== null;
    const what = about.event ? `whether the patient ${info.outcome}` : human(info.outcome).toLowerCase();
    byId('title').textContent = `Predicts ${what}`;
    document.title = `${human(what)} · clinpipe`;
    byId('subtitle').textContent = `${info.model_type} model, version ${info.model_version}, trained on ${info.data} data`;
    banner(info);
    describe(info);
    byId('key-form').hidden = true;
    form?.tell(about.training);
    draw();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    // A key may be good for predictions and not for this.
    if (error.status === 403) byId('key-form').hidden = true;
    byId('subtitle').textContent = error.status === 401 ? 'The service asks for a key.' : `Nothing is known of the model: ${error.message}.`;
  }
};

const keys = () => {
  addEventListener('key-needed', ({ detail }) => {
    byId('key-form').hidden = false;
    const refused = byId('key').value !== '';
    byId('key-error').textContent = refused ? `${detail}.` : '';
    byId('key').toggleAttribute('aria-invalid', false);
    if (refused) byId('key').setAttribute('aria-invalid', 'true');
    byId('key').focus();
  });
  byId('key-form').addEventListener('submit', event => {
    event.preventDefault();
    useKey(byId('key').value);
    learn();
  });
};

const start = async () => {
  keys();
  card();
  try {
    const schema = await get('schema');
    byId('subtitle').textContent = schema.description ?? '';
    await learn();
    form = new RecordForm(schema, about.training, predict);
    whatIf = new WhatIf(form.fields, about);
    new Batch(form.fields, about);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    byId('subtitle').textContent = `The form cannot be drawn: ${error.message}.`;
    return;
  }
  let drawn = innerWidth;
  addEventListener('resize', () => {
    if (drawn === innerWidth) return;
    drawn = innerWidth;
    draw();
  });
};

await start();
