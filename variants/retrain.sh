#!/bin/sh
# When `decide` asks for it: the study once more, on the reference and all patients up to the month given, and its model as
# challenger. What became of it stands in artifacts/retraining.txt. No role but the challenger's changes here.
set -e
table=data/dropout.csv made=data/retraining.sha256
said=$(clinpipe decision)
echo none > artifacts/retraining.txt
case $said in *RETRAIN_REQUIRED=true*) ;; *) exit 0 ;; esac
# The study takes that table for the real one, so it must be nobody's but this script's.
if [ -e $table ] && ! sha256sum --check --status $made; then
  echo "$table is there and was not made here; it is left alone." >&2
  echo "Let the stage 'current' of monitor.yaml bring your own patients, and say in variants/retrain.sh how both tables are joined." >&2
  exit 1
fi
# Without the column `month`, which the study does not have.
awk -F, -v last="$1" 'NR > 1 && $NF <= last {sub(/,[^,]*$/, ""); print}' data/current.csv |
  cat data/synthetic.csv - > $table.new
mv $table.new $table
sha256sum $table > $made
clinpipe repro -q
# A refusal is an answer as well.
clinpipe promote --to challenger --reason "$(echo "$said" | sed -n 's/^decision *//p')" > artifacts/retraining.txt ||
  test $? = 1
