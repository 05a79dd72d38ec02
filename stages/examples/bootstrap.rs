//! Times the patient bootstrap for `benches/bootstrap/run`: `bootstrap FILE RESAMPLES` reads a Parquet table with `y` and
//! `p` and prints one JSON line. Only the resampling is timed; one thread.

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use clinpipe_stages::StageFile;
use clinpipe_stages::common::interval::quantile;
use clinpipe_stages::common::table::Table;
use clinpipe_stages::evaluate::Predicted;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, file, resamples] = &arguments[..] else {
        return Err("usage: bootstrap FILE RESAMPLES".into());
    };
    let table = Table::read(&StageFile { path: PathBuf::from(file), name: file.clone() })?;
    let (y, p) = (table.floats("y")?, table.floats("p")?);
    let rows = Predicted {
        patients: (0..y.len()).map(|row| row.to_string()).collect(),
        y: y.iter().map(|&y| y > 0.5).collect(),
        p,
    };
    let clock = Instant::now();
    let drawn = rows.headline(resamples.parse()?, 42, 1)?;
    let seconds = clock.elapsed().as_secs_f64();
    let ends = [0, 1, 2].map(|measure| {
        let mut values: Vec<f64> = drawn.iter().map(|values| values[measure]).collect();
        values.sort_by(f64::total_cmp);
        [quantile(&values, 0.025), quantile(&values, 0.975)]
    });
    let line = serde_json::json!({
        "engine": "clinpipe", "rows": y.len(), "resamples": drawn.len(), "seconds": seconds,
        "auroc": ends[0], "average_precision": ends[1], "brier": ends[2],
    });
    #[expect(clippy::print_stdout, reason = "the result")]
    {
        println!("{line}");
    }
    Ok(())
}
