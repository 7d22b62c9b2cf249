#!/usr/bin/env bash
# A NameNode and a DataNode as processes of their own, for what a cluster inside one JVM cannot show:
# kill -9, SIGSTOP, real fsyncs. Needs what `mvn -q -B process-classes` leaves in target/.
#
#   daemons.sh start DIR PORT   formats DIR when it is new, starts both, writes DIR/nn.pid and DIR/dn.pid;
#                               the client configuration is DIR/conf. The RPC port opens before the NameNode
#                               serves: wait for a call that succeeds.
#   daemons.sh stop DIR         ends both
#   daemons.sh run DIR PORT configure|namenode|datanode
#                               writes the configuration and formats; or one of them in the foreground: this process becomes it, and ends with the thread that
#                               started it
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
hadoop=org.apache.hadoop.hdfs.server

property() { printf '  <property><name>%s</name><value>%s</value></property>\n' "$1" "$2"; }
site() { printf '<configuration>\n%s\n</configuration>\n' "$(cat)"; }

configure() {
  local dir=$1 port=$2
  # The plain hadoop-hdfs jar has no web applications; the servers insist on finding them.
  mkdir -p "$dir"/conf/webapps/{hdfs,datanode,static}
  {
    property fs.defaultFS "hdfs://127.0.0.1:$port"
    property hadoop.tmp.dir "$dir/tmp"
  } | site > "$dir/conf/core-site.xml"
  {
    property dfs.namenode.name.dir "file://$dir/name"
    property dfs.datanode.data.dir "file://$dir/data"
    property dfs.namenode.http-address 127.0.0.1:0
    property dfs.datanode.address 127.0.0.1:0
    property dfs.datanode.http.address 127.0.0.1:0
    property dfs.datanode.ipc.address 127.0.0.1:0
    property dfs.namenode.datanode.registration.ip-hostname-check false
    property dfs.namenode.safemode.extension 0
    property dfs.replication 1
    # How soon a DataNode hears that it is to close a file for a writer that is gone.
    property dfs.heartbeat.interval 1
    # A client that closes a file before the DataNode has reported its block is turned away and waits half a second.
    property dfs.namenode.file.close.num-committed-allowed 1
    # Tests read every file to compare it, which must not make a checkpoint look used.
    property dfs.namenode.accesstime.precision 0
  } | site > "$dir/conf/hdfs-site.xml"
  cp "$here/src/main/resources/log4j.properties" "$dir/conf/"
}

# prepare DIR PORT: sets the command `java`, and formats when there is nothing yet
prepare() {
  local class_path
  mkdir -p "$1"
  dir=$(cd "$1" && pwd)
  [ -e "$dir/conf/hdfs-site.xml" ] || configure "$dir" "$2"
  # without the test jars, whose web applications and defaults are those of MiniDFSCluster
  class_path="$dir/conf:$(tr ':' '\n' < "$here/target/classpath.txt" | grep -v -e '-tests\.jar$' | paste -sd:)"
  java=("${JAVA_HOME:+$JAVA_HOME/bin/}java" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dminihdfs.log.level=INFO)
  java+=(-cp "$class_path")
  if [ ! -d "$dir/name" ]; then
    "${java[@]}" "$hadoop.namenode.NameNode" -format -force -nonInteractive > "$dir/format.log" 2>&1
  fi
}

run() {
  local dir java class
  prepare "$1" "$2"
  case $3 in
    namenode) class=namenode.NameNode ;;
    datanode) class=datanode.DataNode ;;
    configure) return ;;
    *) exit 2 ;;
  esac
  exec setpriv --pdeathsig KILL "${java[@]}" -Xmx256m "$hadoop.$class" >> "$dir/$3.log" 2>&1
}

start() {
  local dir java
  prepare "$1" "$2"
  nohup "${java[@]}" -Xmx512m "$hadoop.namenode.NameNode" > "$dir/nn.log" 2>&1 &
  echo $! > "$dir/nn.pid"
  nohup "${java[@]}" -Xmx256m "$hadoop.datanode.DataNode" > "$dir/dn.log" 2>&1 &
  echo $! > "$dir/dn.pid"
}

stop() {
  local pid
  for pid in "$1/dn.pid" "$1/nn.pid"; do
    if [ -e "$pid" ]; then
      kill "$(cat "$pid")" 2> /dev/null || true
      rm -f "$pid"
    fi
  done
}

case "${1:-} $#" in
  "start 3") start "$2" "$3" ;;
  "stop 2") stop "$2" ;;
  "run 4") run "$2" "$3" "$4" ;;
  *) sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
