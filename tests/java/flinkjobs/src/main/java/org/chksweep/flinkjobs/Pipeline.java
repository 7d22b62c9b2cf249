package org.chksweep.flinkjobs;

import java.lang.reflect.Method;
import org.apache.flink.api.common.JobID;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.jobgraph.JobGraph;
import org.apache.flink.runtime.jobgraph.SavepointRestoreSettings;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/** The job: sequences, keyed state, a gate that can hold checkpoints up, and a sink. */
final class Pipeline {
  private static final TypeInformation<Element> ELEMENT = TypeInformation.of(Element.class);

  private Pipeline() {}

  static JobGraph forRun(Options options, Shape shape, Configuration conf) throws Exception {
    String id = options.get("job-id", null);
    return build(options, shape, conf, id == null ? new JobID() : JobID.fromHexString(id), false);
  }

  static JobGraph forVerify(Options options, Shape shape, Configuration conf) throws Exception {
    return build(options, shape, conf, new JobID(), true);
  }

  private static JobGraph build(Options options, Shape shape, Configuration conf, JobID id, boolean verify)
      throws Exception {
    StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment(conf);
    env.setParallelism(shape.parallelism());
    env.setMaxParallelism(shape.maxParallelism());
    SequenceSource source = new SequenceSource(shape.seed(), shape.splits(), shape.keysPerSplit(), shape.valueBytes(),
        options.number("rate", 1000), verify);
    SingleOutputStreamOperator<Element> gate = env
        .fromSource(source, WatermarkStrategy.noWatermarks(), "sequences", ELEMENT).uid("seq")
        .keyBy(element -> element.key)
        .process(new KeyedState(shape.seed(), shape.keysPerSplit(), shape.valueBytes(), options.number("slow-us", 0),
            shape.timers()))
        .returns(ELEMENT).uid("stateful").name("stateful")
        .rebalance()
        .map(new Gate(options.number("gate-slow-us", 0), verify ? 0 : options.number("gate-hold-ms", 0)))
        .returns(ELEMENT).uid("gate").name("gate").disableChaining();
    if (shape.wal()) {
      gate.transform("wal", ELEMENT, new WriteAheadSink(serializer(env), options.flag("wal-commit", false), verify,
          shape.seed(), shape.valueBytes())).uid("wal").disableChaining();
    } else {
      gate.transform("null", ELEMENT, new DiscardingSink()).uid("null");
    }
    JobGraph graph = env.getStreamGraph().getJobGraph(Pipeline.class.getClassLoader(), id);
    if (options.get("restore", null) != null) {
      graph.setSavepointRestoreSettings(SavepointRestoreSettings.fromConfiguration(conf));
    }
    return graph;
  }

  /** TypeInformation.createSerializer takes an ExecutionConfig in Flink 1 and a SerializerConfig in Flink 2. */
  @SuppressWarnings("unchecked")
  private static TypeSerializer<Element> serializer(StreamExecutionEnvironment env) throws Exception {
    Object config = env.getConfig();
    for (Method method : TypeInformation.class.getMethods()) {
      if (method.getName().equals("createSerializer") && method.getParameterCount() == 1) {
        Object argument = method.getParameterTypes()[0].isInstance(config)
            ? config : config.getClass().getMethod("getSerializerConfig").invoke(config);
        return (TypeSerializer<Element>) method.invoke(ELEMENT, argument);
      }
    }
    throw new IllegalStateException("TypeInformation has no createSerializer");
  }
}
