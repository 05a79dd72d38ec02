#!/bin/sh
# When `decide` asks for it: the study once more, on the reference and all patients up to the month given, and its model as
# challenger. What became of it stands in artifacts/retraining.txt. No role but the challenger's changes here.
set -e
said=$(clinpipe decision)
echo none > artifacts/retraining.txt
case $said in *RETRAIN_REQUIRED=true*) ;; *) exit 0 ;; esac
# Without the column `month`, which the study does not have. The real table wins over the synthetic one.
awk -F, -v last="$1" 'NR > 1 && $NF <= last {sub(/,[^,]*$/, ""); print}' data/current.csv |
  cat data/synthetic.csv - > data/dropout.csv
clinpipe repro -q
# A refusal is an answer as well.
clinpipe promote --to challenger --reason "$(echo "$said" | sed -n 's/^decision *//p')" > artifacts/retraining.txt ||
  test $? = 1
