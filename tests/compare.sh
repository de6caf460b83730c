#!/bin/bash
# Proves that two trees are equal, with tools that are not holdall.
#
#   compare.sh SOURCE COPY     prints the differences that each tool finds; exit code 0 if there are none, 1 if there
#                              are, 2 if a comparison could not be made
#   compare.sh --self-test     changes copies of a tree in many ways and demands that each change is noticed
#
# rsync, stat, getfattr and getfacl compare what their paths reach; compare_trees.py compares everything once more,
# paths longer than the kernel takes among it, and what those can't see: which names share an inode, and where holes
# are. Run it as root to see everything; as another user only what that user may read is compared.
set -u
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)

# Longer paths are left to compare_trees.py.
path_bytes_max=3000
# Larger files, sparse ones that is, are left to compare_trees.py as well: rsync would read their holes.
file_size_max=4G

for tool in rsync getfattr getfacl stat python3; do
    command -v "$tool" >/dev/null || { echo "compare.sh needs $tool" >&2; exit 2; }
done

# Runs a command that prints differences; says which tool found them.
differs=0
failed=0
look() { # NAME COMMAND...
    local name=$1 output code
    shift
    output=$("$@" 2>&1 | head -c 20000 | cat -v; exit "${PIPESTATUS[0]}")
    code=$?
    if [ -n "$output" ]; then
        printf '== %s\n%s\n' "$name" "$output"
        differs=1
    fi
    if [ "$code" -gt 1 ]; then
        printf '== %s failed with exit code %s\n' "$name" "$code"
        failed=1
    fi
}

compare_with_rsync() {
    # The itemised list of what would have to be done to make the copy like the source.
    python3 "$here/compare_trees.py" --hidden "$1" $path_bytes_max > "$work/hidden"
    rsync -aHAXni --numeric-ids --checksum --delete --modify-window=-1 --max-size=$file_size_max --no-inc-recursive \
        --from0 --exclude-from="$work/hidden" "$1/" "$2/"
}

# What a tool prints about all short paths, in the order of the paths.
about() { # TREE COMMAND...
    local tree=$1
    shift
    python3 "$here/compare_trees.py" --short "$tree" $path_bytes_max | sort -z | (cd "$tree" && xargs -0 -r "$@" --)
}

compare_output() { # SOURCE COPY COMMAND...
    local source=$1 copy=$2
    shift 2
    about "$source" "$@" > "$work/source" 2>&1
    about "$copy" "$@" > "$work/copy" 2>&1
    diff --text "$work/source" "$work/copy"
}

compare_stat() {
    # The size of a directory is the file system's own affair: %s only of other kinds.
    compare_output "$1" "$2" stat --printf='%n\t%f\t%u\t%g\t%.9Y\t%t:%T\t%F\n' &&
        diff --text <(sizes "$1") <(sizes "$2")
}

sizes() {
    (cd "$1" && find . ! -type d -printf '%s %p\0' 2>&1 | sort -z | tr '\0' '\n')
}

compare() { # SOURCE COPY
    differs=0
    failed=0
    look rsync compare_with_rsync "$1" "$2"
    look stat compare_stat "$1" "$2"
    look getfattr compare_output "$1" "$2" getfattr --no-dereference --physical --dump --match=- --encoding=hex
    look getfacl compare_output "$1" "$2" getfacl --physical --numeric --absolute-names
    look compare_trees.py python3 "$here/compare_trees.py" "$1" "$2"
    [ $failed = 0 ] || return 2
    return $differs
}

# Each line: a change to the copy, made in its directory. Every one must be noticed.
changes() {
    cat <<'CHANGES'
printf X | dd of=kinds/medium bs=1 seek=200000 conv=notrunc status=none; touch -d @1 kinds/medium; touch -r "$SOURCE/kinds/medium" kinds/medium
truncate -s 299999 kinds/medium; touch -r "$SOURCE/kinds/medium" kinds/medium
touch -d '2020-01-01 00:00:00.000000001' kinds/file
touch -h -d '2020-01-01' kinds/link
touch -d '2020-01-01' 'kinds/empty directory'
chmod u+x kinds/file
chmod g+s 'kinds/empty directory'
rm kinds/empty; touch -r "$SOURCE/kinds" kinds
touch kinds/added; touch -r "$SOURCE/kinds" kinds
rm kinds/link; ln -s elsewhere kinds/link; touch -h -r "$SOURCE/kinds/link" kinds/link; touch -r "$SOURCE/kinds" kinds
rm kinds/fifo; touch kinds/fifo; touch -r "$SOURCE/kinds/fifo" kinds/fifo; touch -r "$SOURCE/kinds" kinds
setfattr -n user.comment -v other xattrs/small; touch -r "$SOURCE/xattrs/small" xattrs/small
setfattr -x user.empty xattrs/small
setfattr -n user.added -v '' names/-rf
setfattr -n user.added -v '' 'kinds/empty directory'
setfacl -m u:4321:r acls/file; touch -r "$SOURCE/acls/file" acls/file
setfacl -k acls/directory
cp -p links/b/first links/b/x; mv links/b/x 'links/a/sorts before the first'; touch -r "$SOURCE/links/a" links/a; touch -r "$SOURCE/links/b" links/b
ln -f 'links/a/pair 1' 'links/a/pair 1 again'; touch -r "$SOURCE/links/a" links/a
fallocate -p -o 65536 -l 4096 'holes/allocated zeros'; touch -r "$SOURCE/holes/allocated zeros" 'holes/allocated zeros'
dd if=/dev/zero of='holes/nothing else' bs=4096 seek=3 count=1 conv=notrunc status=none; touch -r "$SOURCE/holes/nothing else" 'holes/nothing else'
dd if=/dev/zero of='holes/nothing else, odd length' bs=4096 seek=256 count=1 conv=notrunc status=none; truncate -s 1048593 'holes/nothing else, odd length'; touch -r "$SOURCE/holes/nothing else, odd length" 'holes/nothing else, odd length'
cd deep/00*/01*/02*/03*/04*/05*/06*/07*/08*/09*; cd 10*/11*/12*/13*/14*/15*/16*/17*/18*/19*; cd 20*/21*/22*/23*/24*/25*/26*/27*/28*/29*; cd 30*/31*/32*/33*/34*/35*/36*/37*/38*/39*; printf '\377' | dd of=bottom bs=1 seek=77 conv=notrunc status=none
cd names; mv $'new\nline' $'new\nlin3'; touch -r "$SOURCE/names" .
CHANGES
    [ "$(id -u)" = 0 ] && cat <<'CHANGES'
chown 7 kinds/file
chgrp -h 7 kinds/link
chown 7 kinds/socket
rm kinds/null; mknod -m 640 kinds/null c 1 5; touch -r "$SOURCE/kinds/null" kinds/null; touch -r "$SOURCE/kinds" kinds
setfattr -h -n trusted.holdall -v other xattrs/link
setfattr -x security.capability 'xattrs/capable 0'
CHANGES
}

# An ordinary user has to open what is closed first.
remove() {
    [ "$(id -u)" = 0 ] || chmod -R u+rwx "$1"
    rm -rf "$1"
}

self_test() {
    local change source missed=0 count=0
    source=$work/source.tree
    "$here/make_tree.py" "$source" 2>/dev/null || return 2
    "$here/make_tree.py" "$work/copy.tree" 2>/dev/null || return 2
    if ! compare "$source" "$work/copy.tree"; then
        echo "two equal trees are not found equal"
        return 1
    fi
    while IFS= read -r change; do
        count=$((count + 1))
        remove "$work/copy.tree"
        "$here/make_tree.py" "$work/copy.tree" 2>/dev/null || return 2
        (cd "$work/copy.tree" && SOURCE=$source bash -c "set -e; $change") || { echo "can't make the change: $change"; return 2; }
        if compare "$source" "$work/copy.tree" > "$work/report"; then
            echo "not noticed: $change"
            missed=1
        elif ! grep -q '^== compare_trees.py$' "$work/report"; then
            echo "not noticed by compare_trees.py: $change"
            missed=1
        fi
        cat "$work/report" >> "$work/reports"
    done < <(changes)
    for tool in rsync stat getfattr getfacl; do
        grep -q "^== $tool\$" "$work/reports" || { echo "$tool noticed nothing at all"; missed=1; }
    done
    [ $missed = 0 ] && echo "all $count changes were noticed"
    return $missed
}

work=$(mktemp -d)
trap 'remove "$work"' EXIT
case $# in
    1) [ "$1" = --self-test ] || { sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2; }
       self_test ;;
    2) compare "$(realpath "$1")" "$(realpath "$2")" ;;
    *) sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
