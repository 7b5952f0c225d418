#!/usr/bin/env bash
# Three hosts out of network namespaces on one machine, with a token-authenticated Ray across them.
#
#   sudo deploy/netns-cluster.sh up      make them (again: nothing happens if they are there and Ray answers)
#   sudo deploy/netns-cluster.sh env     how to run emucluster on them, as shell assignments
#   sudo deploy/netns-cluster.sh down    end every process in them and remove every trace
#
# Makes the namespaces emu1 emu2 emu3, the interfaces vemu1 vemu2 vemu3 and br0emu, and $EMU_DIR;
# removes these and nothing else, so EMU_DIR must not be a directory of yours. The bridge has no address and leads nowhere: nothing outside
# reaches the hosts, and they reach nothing but one another.
#
# EMU_HOSTS   which of the three, the first always among them [1 2 3]
# EMU_TAG     a letter or two: another set beside it (emuX1 ..., /tmp/emu-hostsX) []
# EMU_NET     first three bytes of their /24 [10.78.0]; hosts are .11 .12 .13
# EMU_DIR     short directory for Ray's files and the token [/tmp/emu-hosts$EMU_TAG]
# EMU_PYTHON  the Python that has ray and emucluster [.venv/bin/python beside deploy/, else python3]
set -euo pipefail

NET=${EMU_NET:-10.78.0}
TAG=${EMU_TAG:-}
DIR=${EMU_DIR:-/tmp/emu-hosts$TAG}
PORT=6399
HOSTS=${EMU_HOSTS:-1 2 3}
NAME=emu$TAG
BRIDGE=br0$NAME
root=$(cd "$(dirname "$0")/.." && pwd)
PYTHON=${EMU_PYTHON:-}
if [ -z "$PYTHON" ]; then
    PYTHON=python3
    [ -x "$root/.venv/bin/python" ] && PYTHON=$root/.venv/bin/python
fi

fail() {
    echo "netns-cluster.sh: $*" >&2
    exit 1
}

need() {
    case $TAG in *[!a-z0-9]* | ?????*) fail "EMU_TAG: up to four letters or digits" ;; esac
    [ "$(id -u)" = 0 ] || fail "needs root: run it with sudo"
    command -v ip >/dev/null || fail "needs iproute2 (the ip command)"
}

address() { echo "$NET.1$1"; }

exists() { [ -e "/run/netns/$NAME$1" ]; }

exist() {
    local i
    for i in $HOSTS; do exists "$i" || return 1; done
}

# The namespaces outlive what ran in them: only a Ray that answers, with something on each host, is up.
alive() {
    local i
    exist || return 1
    for i in $HOSTS; do [ -n "$(ip netns pids "$NAME$i")" ] || return 1; done
    ip netns exec "${NAME}1" bash -c "exec 3<>/dev/tcp/$(address 1)/$PORT" 2>/dev/null
}

make_network() {
    ip link add $BRIDGE type bridge
    ip link set $BRIDGE up
    for i in $HOSTS; do
        ip netns add "$NAME$i"
        ip link add "v$NAME$i" type veth peer name eth0 netns "$NAME$i"
        ip link set "v$NAME$i" master $BRIDGE up
        ip -n "$NAME$i" link set lo up
        ip -n "$NAME$i" addr add "$(address "$i")/24" dev eth0
        ip -n "$NAME$i" link set eth0 up
    done
}

start_ray() { # HOST ARGUMENTS...
    local i=$1
    shift
    mkdir -m 700 -p "$DIR/$i"
    # A session of its own in an empty directory: Ray puts the current one on its workers' path.
    (cd "$DIR/$i" && exec ip netns exec "$NAME$i" env -u RAY_ADDRESS -u RAY_AUTH_TOKEN \
        -u PYTHONPATH ${EMU_PYTHONPATH:+PYTHONPATH="$EMU_PYTHONPATH"} PYTHONSAFEPATH=1 \
        RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="$DIR/token" RAY_USAGE_STATS_ENABLED=0 \
        RAY_memory_monitor_refresh_ms=0 \
        RAY_worker_niceness=0 \
        setsid "$PYTHON" -m ray.scripts.scripts start "$@" \
        --node-ip-address="$(address "$i")" --labels="host=h$i" --num-cpus=2 \
        --object-store-memory=80000000 --log-color=false --include-log-monitor=false) \
        >"$DIR/$i.log" 2>&1 </dev/null || {
        cat "$DIR/$i.log" >&2
        fail "Ray did not start on host $i"
    }
}

up() {
    need
    if [ -e "$DIR/up" ] && alive; then
        print_env
        return
    fi
    down # what is left of an attempt that was cut short, or of hosts whose Ray was killed
    mkdir -m 700 "$DIR"
    (umask 077 && head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$DIR/token")
    trap 'down' EXIT INT TERM
    make_network
    start_ray 1 --head --port=$PORT --temp-dir="$DIR/1" --include-dashboard=false --no-monitor
    local joins=()
    for i in ${HOSTS#1}; do
        start_ray "$i" --address="$(address 1):$PORT" --temp-dir="$DIR/$i" &
        joins+=($!)
    done
    for join in "${joins[@]}"; do wait "$join"; done
    trap - EXIT INT TERM
    touch "$DIR/up"
    print_env
}

print_env() {
    cat <<END
EMU_RAY_ADDRESS=$(address 1):$PORT
EMU_BIND=$(address 1)
RAY_AUTH_MODE=token
RAY_AUTH_TOKEN_PATH=$DIR/token
# Run emucluster on the first host:
#   eval "\$($0 env)"; export RAY_AUTH_MODE RAY_AUTH_TOKEN_PATH
#   ip netns exec ${NAME}1 emucluster up --ray-address $(address 1):$PORT --bind $(address 1) --zones 3
#   ip netns exec ${NAME}1 emucluster apply -f examples/web.yaml
#   ip netns exec ${NAME}1 emucluster call service/web-lb -n 12
END
}

down() {
    need
    local i left
    for i in $HOSTS; do
        exists "$i" || continue
        for _ in 1 2 3 4 5; do
            left=$(ip netns pids "$NAME$i")
            [ -n "$left" ] || break
            # shellcheck disable=SC2086
            kill -9 $left 2>/dev/null || true
            sleep 0.1
        done
        ip netns del "$NAME$i"
    done
    for i in $HOSTS; do
        ip link show "v$NAME$i" >/dev/null 2>&1 && ip link del "v$NAME$i"
    done
    ip link show $BRIDGE >/dev/null 2>&1 && ip link del $BRIDGE
    if [ -e "$DIR/token" ] || [ -z "$(ls -A "$DIR" 2>/dev/null)" ]; then rm -rf "$DIR"; fi
}

case ${1:-} in
up) up ;;
down) down ;;
env)
    [ -e "$DIR/up" ] || fail "not up: run $0 up"
    print_env
    ;;
*) fail "usage: $0 up|down|env" ;;
esac
