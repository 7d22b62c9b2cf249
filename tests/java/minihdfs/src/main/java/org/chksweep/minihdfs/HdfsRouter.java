package org.chksweep.minihdfs;

import java.io.File;
import java.io.IOException;
import java.util.concurrent.TimeUnit;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.FileUtil;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.hdfs.server.federation.router.Router;
import org.apache.hadoop.hdfs.server.federation.store.driver.impl.StateStoreFileImpl;

/** An HDFS router before the cluster: one nameservice, which is everything's default. */
final class HdfsRouter {
  private static final int ATTEMPTS = 100;

  private HdfsRouter() {}

  /** Starts it, waits until it answers, and returns its URL. */
  static String start(Cluster cluster) throws Exception {
    Router router = new Router();
    router.init(configuration(cluster));
    router.start();
    String url = "hdfs://127.0.0.1:" + router.getRpcServerAddress().getPort();
    awaitAnswer(cluster, url);
    return url;
  }

  private static Configuration configuration(Cluster cluster) {
    Configuration conf = cluster.clientConfiguration();
    String prefix = "dfs.federation.router.";
    conf.set(prefix + "rpc-address", "127.0.0.1:" + cluster.options.get("router-port", "0"));
    conf.set(prefix + "rpc-bind-host", "127.0.0.1");
    conf.set(prefix + "admin-address", "127.0.0.1:0");
    conf.set(prefix + "http-address", "127.0.0.1:0");
    conf.set(prefix + "https-address", "127.0.0.1:0");
    conf.set(prefix + "handler.count", "10");
    conf.set(prefix + "http.enable", "false");
    conf.set(prefix + "safemode.enable", "false");
    conf.set(prefix + "heartbeat.interval", "1000");
    conf.set(prefix + "cache.ttl", "1s");
    conf.set(prefix + "monitor.localnamenode.enable", "false");
    conf.set(prefix + "default.nameserviceId", cluster.nameservice);
    conf.set(prefix + "default.nameservice.enable", "true");
    // A store left by an earlier start names its old ports.
    File store = new File(cluster.dir, "router");
    FileUtil.fullyDelete(store);
    conf.set(prefix + "store.driver.class", StateStoreFileImpl.class.getName());
    conf.set(prefix + "store.driver.file.directory", store.getPath());
    if (cluster.ha) {
      conf.set(prefix + "monitor.namenode", cluster.nameservice + ".nn1," + cluster.nameservice + ".nn2");
      for (int i = 0; i < 2; i++) {
        conf.set("dfs.namenode.http-address." + cluster.nameservice + ".nn" + (i + 1), httpAddress(cluster, i));
      }
    } else {
      conf.set(prefix + "monitor.namenode", cluster.nameservice);
      conf.set("dfs.nameservices", cluster.nameservice);
      conf.set("dfs.namenode.rpc-address." + cluster.nameservice, "localhost:" + cluster.dfs.getNameNodePort());
      conf.set("dfs.namenode.http-address." + cluster.nameservice, httpAddress(cluster, 0));
    }
    return conf;
  }

  private static String httpAddress(Cluster cluster, int nameNode) {
    return "localhost:" + cluster.dfs.getNameNode(nameNode).getHttpAddress().getPort();
  }

  private static void awaitAnswer(Cluster cluster, String url) throws IOException, InterruptedException {
    Configuration conf = cluster.clientConfiguration();
    conf.set("fs.defaultFS", url);
    for (int attempt = 1;; attempt++) {
      try {
        FileSystem.get(conf).getFileStatus(new Path("/"));
        return;
      } catch (IOException e) {
        if (attempt == ATTEMPTS) {
          throw e;
        }
        TimeUnit.MILLISECONDS.sleep(200);
      }
    }
  }
}
