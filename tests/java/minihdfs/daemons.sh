#!/usr/bin/env bash
# A NameNode and a DataNode as processes of their own, for what a cluster inside one JVM cannot show:
# kill -9, SIGSTOP, real fsyncs. Needs what `mvn -q -B process-classes` leaves in target/.
#
#   daemons.sh start DIR PORT   formats DIR when it is new, starts both, writes DIR/nn.pid and DIR/dn.pid;
#                               the client configuration is DIR/conf. The RPC port opens before the NameNode
#                               serves: wait for a call that succeeds.
#   daemons.sh stop DIR         ends both
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
  } | site > "$dir/conf/hdfs-site.xml"
  cp "$here/src/main/resources/log4j.properties" "$dir/conf/"
}

start() {
  local dir=$1 port=$2 class_path java
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd)
  configure "$dir" "$port"
  # without the test jars, whose web applications and defaults are those of MiniDFSCluster
  class_path="$dir/conf:$(tr ':' '\n' < "$here/target/classpath.txt" | grep -v -e '-tests\.jar$' | paste -sd:)"
  java=(java -XX:+UseSerialGC -Dminihdfs.log.level=INFO -cp "$class_path")
  if [ ! -d "$dir/name" ]; then
    "${java[@]}" "$hadoop.namenode.NameNode" -format -force -nonInteractive > "$dir/format.log" 2>&1
  fi
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
  *) sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
