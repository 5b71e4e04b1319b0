package batonmq.interop;

import jakarta.jms.BytesMessage;
import jakarta.jms.DeliveryMode;
import jakarta.jms.JMSConsumer;
import jakarta.jms.JMSContext;
import jakarta.jms.MapMessage;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.MessageProducer;
import jakarta.jms.ObjectMessage;
import jakarta.jms.Queue;
import jakarta.jms.Session;
import jakarta.jms.StreamMessage;
import jakarta.jms.TextMessage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.apache.qpid.jms.JmsConnectionFactory;

/** Every kind of message, its headers and its properties. */
public final class Messages extends Cases {
  private Message through(Session session, Message message) throws Exception {
    Queue queue = session.createQueue(name);
    session.createProducer(queue).send(message);
    Message arrived = session.createConsumer(queue).receive(WAIT);
    check(arrived != null, "no message came");
    return arrived;
  }

  public void text() throws Exception {
    Session session = session();
    same(text(through(session, session.createTextMessage("grüße"))), "grüße");
  }

  public void textWithoutAny() throws Exception {
    Session session = session();
    same(((TextMessage) through(session, session.createTextMessage())).getText(), null);
  }

  public void bytes() throws Exception {
    Session session = session();
    BytesMessage sent = session.createBytesMessage();
    sent.writeInt(7);
    sent.writeUTF("ü");
    sent.writeBytes(new byte[] {0, -1});
    BytesMessage arrived = (BytesMessage) through(session, sent);
    same(arrived.readInt(), 7);
    same(arrived.readUTF(), "ü");
    same(arrived.getBodyLength(), 10L);
  }

  public void map() throws Exception {
    Session session = session();
    MapMessage sent = session.createMapMessage();
    sent.setString("string", "s");
    sent.setInt("int", 1);
    sent.setLong("long", 2L);
    sent.setShort("short", (short) 3);
    sent.setByte("byte", (byte) 4);
    sent.setBoolean("boolean", true);
    sent.setDouble("double", 1.5);
    sent.setFloat("float", 2.5f);
    sent.setChar("char", 'c');
    sent.setBytes("bytes", new byte[] {1, 2});
    MapMessage arrived = (MapMessage) through(session, sent);
    same(arrived.getObject("string"), "s");
    same(arrived.getObject("int"), 1);
    same(arrived.getObject("long"), 2L);
    same(arrived.getObject("short"), (short) 3);
    same(arrived.getObject("byte"), (byte) 4);
    same(arrived.getObject("boolean"), true);
    same(arrived.getObject("double"), 1.5);
    same(arrived.getObject("float"), 2.5f);
    same(arrived.getObject("char"), 'c');
    check(Arrays.equals(arrived.getBytes("bytes"), new byte[] {1, 2}), "bytes");
  }

  public void object() throws Exception {
    Session session = session();
    ArrayList<String> value = new ArrayList<>(List.of("a", "b"));
    JmsConnectionFactory factory = new JmsConnectionFactory(broker.user, broker.password, broker.url());
    same(((ObjectMessage) through(session, session.createObjectMessage(value))).getObject(), value);
    check(factory.getRemoteURI() != null, "no address");
  }

  public void stream() throws Exception {
    Session session = session();
    StreamMessage sent = session.createStreamMessage();
    sent.writeInt(1);
    sent.writeString("two");
    sent.writeBoolean(true);
    sent.writeLong(4L);
    StreamMessage arrived = (StreamMessage) through(session, sent);
    same(arrived.readInt(), 1);
    same(arrived.readString(), "two");
    same(arrived.readBoolean(), true);
    same(arrived.readLong(), 4L);
  }

  public void withoutBody() throws Exception {
    Session session = session();
    Message sent = session.createMessage();
    sent.setStringProperty("only", "properties");
    same(through(session, sent).getStringProperty("only"), "properties");
  }

  public void large() throws Exception {
    Session session = session();
    byte[] body = new byte[2_000_000];
    new Random(7).nextBytes(body);
    BytesMessage sent = session.createBytesMessage();
    sent.writeBytes(body);
    same(Arrays.equals(through(session, sent).getBody(byte[].class), body), true);
  }

  public void propertiesKeepTheirTypes() throws Exception {
    Session session = session();
    Message sent = session.createTextMessage("x");
    sent.setStringProperty("string", "ü");
    sent.setIntProperty("int", 1);
    sent.setLongProperty("long", 1L << 40);
    sent.setShortProperty("short", (short) 3);
    sent.setByteProperty("byte", (byte) -4);
    sent.setBooleanProperty("boolean", true);
    sent.setDoubleProperty("double", 1.5);
    sent.setFloatProperty("float", 2.5f);
    Message arrived = through(session, sent);
    for (String key : Collections.list((java.util.Enumeration<String>) (java.util.Enumeration<?>) sent.getPropertyNames())) {
      same(arrived.getObjectProperty(key), sent.getObjectProperty(key));
    }
  }

  public void headers() throws Exception {
    Session session = session();
    Queue queue = session.createQueue(name);
    MessageProducer producer = session.createProducer(queue);
    producer.setPriority(7);
    producer.setTimeToLive(60_000);
    producer.setDeliveryMode(DeliveryMode.NON_PERSISTENT);
    TextMessage sent = session.createTextMessage("x");
    sent.setJMSCorrelationID("correlation");
    sent.setJMSType("type");
    sent.setJMSReplyTo(session.createQueue(name + "-replies"));
    producer.send(sent);
    Message arrived = session.createConsumer(queue).receive(WAIT);
    same(arrived.getJMSPriority(), 7);
    same(arrived.getJMSDeliveryMode(), DeliveryMode.NON_PERSISTENT);
    same(arrived.getJMSCorrelationID(), "correlation");
    same(arrived.getJMSType(), "type");
    same(arrived.getJMSMessageID(), sent.getJMSMessageID());
    same(arrived.getJMSTimestamp(), sent.getJMSTimestamp());
    check(Math.abs(arrived.getJMSExpiration() - sent.getJMSExpiration()) < 5_000, "expiration");
    same(arrived.getJMSReplyTo(), sent.getJMSReplyTo());
    same(arrived.getJMSDestination(), queue);
    same(arrived.getJMSRedelivered(), false);
    same(arrived.getIntProperty("JMSXDeliveryCount"), 1);
  }

  public void simplifiedInterface() throws Exception {
    JmsConnectionFactory factory = new JmsConnectionFactory(broker.user, broker.password, broker.url());
    try (JMSContext context = factory.createContext()) {
      Queue queue = context.createQueue(name);
      context.createProducer().setProperty("n", 1).setPriority(8).send(queue, "body");
      JMSConsumer consumer = context.createConsumer(queue);
      same(consumer.receiveBody(String.class, WAIT), "body");
      same(consumer.receiveNoWait(), null);
    }
  }

  public void presettled() throws Exception {
    Session session = connect(broker.url() + "&jms.presettlePolicy.presettleAll=true", null)
        .createSession(Session.AUTO_ACKNOWLEDGE);
    Queue queue = session.createQueue(name);
    send(session, queue, "a", "b");
    MessageConsumer consumer = session.createConsumer(queue);
    same(take(consumer, 2), List.of("a", "b"));
    same(consumer.receiveNoWait(), null);
  }
}
