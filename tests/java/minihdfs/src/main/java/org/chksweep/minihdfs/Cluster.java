package org.chksweep.minihdfs;

import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.security.GeneralSecurityException;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.crypto.key.KeyProvider;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.hdfs.DistributedFileSystem;
import org.apache.hadoop.hdfs.HdfsConfiguration;
import org.apache.hadoop.hdfs.MiniDFSCluster;
import org.apache.hadoop.hdfs.MiniDFSNNTopology;
import org.apache.hadoop.hdfs.protocol.ClientProtocol;
import org.apache.hadoop.hdfs.protocol.HdfsConstants;
import org.apache.hadoop.hdfs.server.namenode.FSNamesystem;
import org.apache.hadoop.security.UserGroupInformation;

/** The cluster itself: starts NameNodes and DataNodes as asked and writes the clients' configuration. */
final class Cluster {
  final Options options;
  final File dir;
  final boolean ha;
  final String nameservice;
  final MiniDFSCluster dfs;
  private final Configuration server;
  private final Map<String, String> client = new LinkedHashMap<>();
  private final File confDir;
  private final Kerberos kerberos;

  static Cluster start(Options options) throws Exception {
    return options.has("attach") ? new Cluster(options, new File(options.get("attach", ""))) : new Cluster(options);
  }

  /** One that runs elsewhere: for the commands that a client can carry out. */
  private Cluster(Options options, File confDir) {
    this.options = options;
    this.confDir = confDir.getAbsoluteFile();
    dir = this.confDir.getParentFile();
    ha = false;
    nameservice = null;
    kerberos = null;
    dfs = null;
    server = new HdfsConfiguration();
    server.addResource(new Path(new File(this.confDir, "core-site.xml").toURI()));
    server.addResource(new Path(new File(this.confDir, "hdfs-site.xml").toURI()));
    client.put("fs.defaultFS", server.get("fs.defaultFS"));
  }

  private Cluster(Options options) throws Exception {
    this.options = options;
    dir = new File(options.get("dir", "target/minihdfs")).getAbsoluteFile();
    confDir = new File(options.get("conf-dir", new File(dir, "conf").getPath())).getAbsoluteFile();
    ha = options.has("ha");
    nameservice = options.get("nameservice", "minins");
    server = serverConfiguration();
    kerberos = options.has("kerberos") ? Kerberos.start(options, dir) : null;
    if (kerberos != null) {
      kerberos.forServer().forEach(server::set);
      kerberos.forBoth().forEach(this::setForBoth);
      kerberos.login(server);
    }
    dfs = build();
    if (ha) {
      dfs.transitionToActive(0);
    }
    describeNameNodes();
    if (options.has("router")) {
      client.put("fs.defaultFS", HdfsRouter.start(this));
    }
    writeSite("core-site.xml");
    writeSite("hdfs-site.xml");
    if (!options.has("keep")) {
      fileSystem().setPermission(new Path("/"), new FsPermission((short) 0777));
    }
    if (options.has("quota")) {
      String[] quota = options.get("quota", "").split("=");
      setQuota(quota[0], Long.parseLong(quota[1]), HdfsConstants.QUOTA_DONT_SET);
    }
  }

  private Configuration serverConfiguration() {
    Configuration conf = new HdfsConfiguration();
    conf.set(MiniDFSCluster.HDFS_MINIDFS_BASEDIR, new File(dir, "dfs").getPath());
    conf.set("dfs.namenode.acls.enabled", "true");
    conf.set("dfs.namenode.fs-limits.min-block-size", "1024");
    conf.set("dfs.namenode.handler.count", options.get("handlers", "10"));
    client.put("dfs.permissions.enabled", Boolean.toString(!options.has("no-permissions")));
    client.put("fs.trash.interval", options.get("trash-interval", "0"));
    if (options.has("encryption")) {
      client.put("hadoop.security.key.provider.path", "jceks://file" + new File(dir, "keys.jceks"));
    }
    client.putAll(options.properties);
    client.forEach(conf::set);
    return conf;
  }

  private MiniDFSCluster build() throws IOException {
    boolean format = !options.has("keep");
    int port = options.number("namenode-port", 0);
    MiniDFSCluster.Builder builder = new MiniDFSCluster.Builder(server)
        .numDataNodes(options.number("datanodes", 1)).format(format).manageNameDfsDirs(true)
        .checkExitOnShutdown(false).waitSafeMode(format);
    if (!ha) {
      return builder.nameNodePort(port).build();
    }
    server.set("dfs.ha.tail-edits.period", "1s");
    server.set("dfs.ha.standby.checkpoints", "false");
    MiniDFSNNTopology.NNConf first = new MiniDFSNNTopology.NNConf("nn1");
    MiniDFSNNTopology.NNConf second = new MiniDFSNNTopology.NNConf("nn2");
    if (port != 0) {
      first.setIpcPort(port);
      second.setIpcPort(port + 1);
    }
    return builder.nnTopology(new MiniDFSNNTopology().addNameservice(
        new MiniDFSNNTopology.NSConf(nameservice).addNN(first).addNN(second))).build();
  }

  private void setForBoth(String key, String value) {
    server.set(key, value);
    client.put(key, value);
  }

  private void describeNameNodes() {
    if (!ha) {
      client.put("fs.defaultFS", "hdfs://localhost:" + dfs.getNameNodePort());
      return;
    }
    client.put("fs.defaultFS", "hdfs://" + nameservice);
    client.put("dfs.nameservices", nameservice);
    client.put("dfs.ha.namenodes." + nameservice, "nn1,nn2");
    client.put("dfs.namenode.rpc-address." + nameservice + ".nn1", "localhost:" + dfs.getNameNodePort(0));
    client.put("dfs.namenode.rpc-address." + nameservice + ".nn2", "localhost:" + dfs.getNameNodePort(1));
    client.put("dfs.client.failover.proxy.provider." + nameservice,
        "org.apache.hadoop.hdfs.server.namenode.ha.ConfiguredFailoverProxyProvider");
  }

  private void writeSite(String name) throws IOException {
    Configuration site = new Configuration(false);
    client.forEach(site::set);
    confDir.mkdirs();
    try (OutputStream out = new FileOutputStream(new File(confDir, name))) {
      site.writeXml(out);
    }
  }

  /** What the caller is told when the cluster serves. */
  Map<String, Object> ready() {
    Map<String, Object> ready = new LinkedHashMap<>();
    ready.put("ready", true);
    ready.put("url", client.get("fs.defaultFS"));
    ready.put("conf", confDir.getPath());
    ready.put("pid", ProcessHandle.current().pid());
    if (kerberos != null) {
      ready.putAll(kerberos.described());
    }
    return ready;
  }

  /** The configuration of a client that runs in this process. */
  Configuration clientConfiguration() {
    Configuration conf = new Configuration(server);
    client.forEach(conf::set);
    return conf;
  }

  int active() {
    return ha && (dfs.getNameNode(0) == null || dfs.getNameNode(0).isStandbyState()) ? 1 : 0;
  }

  FSNamesystem namesystem() {
    return dfs.getNamesystem(active());
  }

  ClientProtocol nameNode() throws IOException {
    return dfs == null ? fileSystem().getClient().getNamenode() : dfs.getNameNodeRpc(active());
  }

  DistributedFileSystem fileSystem() throws IOException {
    return dfs == null ? (DistributedFileSystem) FileSystem.get(server) : dfs.getFileSystem(active());
  }

  void setQuota(String path, long names, long bytes) throws IOException {
    nameNode().mkdirs(path, new FsPermission((short) 0777), true);
    nameNode().setQuota(path, names, bytes, null);
  }

  void makeEncryptionZone(String path) throws IOException, GeneralSecurityException {
    KeyProvider provider = namesystem().getProvider();
    if (!provider.getKeys().contains("key")) {
      provider.createKey("key", KeyProvider.options(server));
      provider.flush();
    }
    fileSystem().createEncryptionZone(new Path(path), "key");
  }

  String owner() throws IOException {
    return options.get("owner", UserGroupInformation.getCurrentUser().getShortUserName());
  }
}
