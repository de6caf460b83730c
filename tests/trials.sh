#!/bin/sh
# The long forms of the trials: 200 kills; a folder with a million entries, a thousand folders with a thousand each, a
# sparse tebibyte, a file of 20 GiB; blocks anywhere in a mounted file of 10 GiB, and a mounted folder with a million
# entries; six writers and two prunes for ten minutes; a prune stopped and killed after each call that others see,
# beside a backup; a million schedules of what decides, and ten thousand of the whole engine, and forty thousand held to
# the model; twenty thousand programs of whole operations; every call to the system that fails, once each; a million
# states that a crash of the machine may leave; quotas from nothing to 10 MiB; a hundred thousand patterns of damage,
# each repaired; every byte of a small repository flipped, and every object wounded in every way; `/usr`, `/etc` and
# `/var/lib` backed up twice, restored and compared. Needs root, some hours and 25 GB below $TMPDIR (default /var/tmp).
#
# An interrupted run is resumed by running it again: what is done is listed in target/trials/<commit>-<seed>.log. What
# is done with changes that are not committed is not taken over into the next run. The result is written to
# target/trials/<date>-<commit>-<seed>.txt. `tests/trials.sh kills` runs one part: kills, extents, mounts, crowd, pace,
# schedules, engine, traces, operations, faults, crashes, quotas, patterns, wounds or trees; a part of the name of one of
# the trials of extents runs that one alone.
set -eu
cd "$(dirname "$0")/.."
part=${1:-all}
seed=${HOLDALL_SEED:-20261121}
commit=$(git rev-parse --short HEAD)
[ -z "$(git status --porcelain)" ] || commit="$commit-changed-$(date -u +%H%M%S)"
results=${CARGO_TARGET_DIR:-target}/trials
mkdir -p "$results"
results=$(cd "$results" && pwd)
log=$results/$commit-$seed.log
result=$results/$(date -u +%Y-%m-%d)-$commit-$seed.txt
export TMPDIR="${TMPDIR:-/var/tmp}" HOLDALL_SEED="$seed" HOLDALL_TRIALS="${HOLDALL_TRIALS:-200}" HOLDALL_LONG=1
export HOLDALL_TRIALS_LOG="$log"

say() { printf '%s %s\n' "$(date -u +%H:%M:%S)" "$*" | tee -a "$result"; }
done_before() { [ -e "$log" ] && grep -qx "$1" "$log"; }
wanted() { { [ "$part" = all ] || [ "$part" = "$1" ]; } && ! done_before "$2"; }
trial() { cargo test --release --locked --test trials -- --nocapture --test-threads 1 "$@" 2>&1 | tee -a "$result"; }
passed() { tail -n 5 "$result" | grep -q '^test result: ok'; }

HOLDALL_WITHOUT=${HOLDALL_WITHOUT-$(scripts/lacking)}
export HOLDALL_WITHOUT
say "commit $commit, seed $seed, $(uname -srm), $(nproc) cores, without: ${HOLDALL_WITHOUT:-nothing}"

if wanted kills kills; then
    say "$HOLDALL_TRIALS kills"
    trial kill::
    passed && echo kills >>"$log"
fi
for one in a_folder_with very_many_files a_sparse_file a_long_file; do
    if wanted extents "extent $one" || { [ "$part" = "$one" ] && wanted "$one" "extent $one"; }; then
        say "$one"
        trial "extent::$one"
        passed && echo "extent $one" >>"$log"
    fi
done
if wanted mounts mounts; then
    say "a mounted file of 10 GiB, and a mounted folder with a million entries"
    trial mount::
    passed && echo mounts >>"$log"
fi

if wanted crowd crowd; then
    say "six writers and two prunes for ten minutes"
    HOLDALL_CROWD_SECONDS=600 trial crowd::
    passed && echo crowd >>"$log"
fi
if wanted pace pace; then
    say "a prune stopped and killed after each call, beside a backup"
    trial pace::
    if passed; then echo pace >>"$log"; fi
fi
# library_test TEST VARIABLE=VALUE..: a test of the library, told by variables how much to do.
library_test() {
    name=$1
    shift
    env "$@" cargo test --release --locked --lib --no-default-features --features cli \
        --config profile.release.package.holdall.debug-assertions=true \
        --config profile.release.package.holdall.overflow-checks=true -- --nocapture "$name" 2>&1 | tee -a "$result"
}
# Schedules in parts, so that what was interrupted goes on where it was.
# simulate PART COUNT TEST VARIABLE: a hundred times so many schedules of a test, told by that variable.
simulate() {
    for part_number in $(seq 0 99); do
        if done_before "$1 $part_number"; then continue; fi
        first=$((seed + part_number * $2))
        say "$1 from $first on"
        library_test "$3" HOLDALL_SEED="$first" "$4=$2"
        if passed; then echo "$1 $part_number" >>"$log"; fi
    done
    if [ "$(grep -cx "$1 [0-9]*" "$log" 2>/dev/null)" = 100 ]; then echo "$1" >>"$log"; fi
}
if wanted schedules schedules; then
    simulate schedules 10000 prune::tests::schedules::whatever HOLDALL_SCHEDULES
fi
if wanted engine engine; then
    simulate engine 100 prune::tests::simulation::whatever HOLDALL_ENGINE_SCHEDULES
fi
if wanted traces traces; then
    simulate traces 100 prune::tests::simulation::trace::what HOLDALL_TRACES
fi

if wanted operations operations; then
    simulate operations 200 fuzzing::operations::tests::whatever HOLDALL_OPERATIONS
fi

if wanted faults faults; then
    say "every call to the system fails once, or is the last one"
    HOLDALL_FAULT_POINTS=0 trial faults::
    if passed; then echo faults >>"$log"; fi
fi
if wanted crashes crashes; then
    # They are shared out evenly among the calls of a command; what is left over is not drawn.
    say "a million states that a crash of the machine may leave, and every sync left out"
    HOLDALL_CRASH_STATES=200100 trial crash::
    if passed; then echo crashes >>"$log"; fi
fi
if wanted quotas quotas; then
    say "quotas from nothing to 10 MiB"
    trial quota::
    if passed; then echo quotas >>"$log"; fi
fi
if wanted patterns patterns; then
    simulate patterns 1000 repair::tests::patterns::whatever HOLDALL_PATTERNS
fi
if wanted wounds wounds; then
    for part_number in $(seq 0 19); do
        if done_before "wounds $part_number"; then continue; fi
        say "every byte flipped, every object wounded in every way: part $part_number of 20"
        library_test check::tests::wounds HOLDALL_WOUNDS="$part_number/20"
        if passed; then echo "wounds $part_number" >>"$log"; fi
    done
    if [ "$(grep -cx "wounds [0-9]*" "$log" 2>/dev/null)" = 20 ]; then echo wounds >>"$log"; fi
fi

# The trees of this machine. What changes meanwhile is named by the backup itself, and left out of the comparison.
tree() {
    holdall=${CARGO_TARGET_DIR:-target}/release/holdall
    work=$(mktemp -d "$TMPDIR/holdall-trees.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    export HOLDALL_REPOSITORY="$work/repository" HOLDALL_PASSWORD=trial HOLDALL_CACHE_DIR="$work/cache" \
        XDG_STATE_HOME="$work/state"
    "$holdall" init -q --kdf-memory 64K --kdf-passes 1
    say "backing up $1"
    "$holdall" backup --json "$1" >>"$result" 2>&1 || say "backup ended with $?"
    stored=$(du -sb "$work/repository" | cut -f1)
    "$holdall" backup -q "$1" >>"$result" 2>&1 || say "the second backup ended with $?"
    added=$(($(du -sb "$work/repository" | cut -f1) - stored))
    say "a second backup of $1 adds $added bytes to $stored"
    [ "$added" -lt 65536 ] || failed=1
    "$holdall" -q restore "latest:$1" --target "$work/copy" 2>&1 | tee -a "$result"
    if tests/compare.sh "$1" "$work/copy" >>"$result" 2>&1; then
        say "$1 came back identical"
        echo "tree $1" >>"$log"
    else
        say "$1 differs, see $result"
        failed=1
    fi
    "$holdall" -q check --read-data 2>&1 | tee -a "$result"
    rm -rf "$work"
    trap - EXIT
}
failed=0
for one in /etc /usr /var/lib; do
    if wanted trees "tree $one"; then
        cargo build --release --locked --quiet
        tree "$one"
    fi
done
say "result: $result"
for one in kills "extent a_folder_with" "extent very_many_files" "extent a_sparse_file" "extent a_long_file" mounts crowd \
    pace schedules engine traces operations faults crashes quotas patterns wounds "tree /etc" "tree /usr" "tree /var/lib"; do
    done_before "$one" && continue
    # What was asked for: all, one kind, or one of a kind.
    case $part in all | "$one" | "${one%% *}" | "${one%% *}s" | "${one#* }") failed=1 ;; esac
done
exit "$failed"
