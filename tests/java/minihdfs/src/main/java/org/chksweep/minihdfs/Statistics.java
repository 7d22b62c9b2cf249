package org.chksweep.minihdfs;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import javax.management.MBeanServer;
import javax.management.ObjectName;
import org.apache.hadoop.hdfs.server.namenode.NameNode;
import org.apache.hadoop.hdfs.server.namenode.Namespace;

/** What the process used and what the NameNode was asked, since the start. */
final class Statistics {
  private static final List<String> COUNTERS = List.of("GetListingOps", "FilesInGetListingOps", "DeleteFileOps",
      "FilesDeleted", "CreateFileOps", "TransactionsNumOps", "SyncsNumOps", "SyncsAvgTime");

  private Statistics() {}

  static Map<String, Object> of(Cluster cluster) throws Exception {
    OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    Runtime runtime = Runtime.getRuntime();
    NameNode nameNode = cluster.dfs.getNameNode(cluster.active());
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("cpu_ms", system.getProcessCpuTime() / 1_000_000);
    all.put("heap_used_mb", (runtime.totalMemory() - runtime.freeMemory()) >> 20);
    all.put("heap_mb", runtime.totalMemory() >> 20);
    all.put("files", cluster.namesystem().getFilesTotal());
    all.put("rpcs", Namespace.calls(nameNode));
    all.put("connections", Namespace.connections(nameNode));
    MBeanServer beans = ManagementFactory.getPlatformMBeanServer();
    String activity = "NameNodeActivity";
    for (ObjectName bean : beans.queryNames(new ObjectName("Hadoop:service=NameNode,name=" + activity + "*"), null)) {
      for (String counter : COUNTERS) {
        all.put(bean.getKeyProperty("name").replace(activity, "") + counter, beans.getAttribute(bean, counter));
      }
    }
    return all;
  }
}
